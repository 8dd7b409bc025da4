"""Devices as they answer, with who really made them: written by hand from published manuals, banners and streams.

`None` for brand or maker: nothing tells, and nothing may be said.
"""

from dataclasses import dataclass, field
from typing import Any

from custodes.fleet.observation import Banner, Observation, OnvifSeen, TlsSeen


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    brand: str | None
    maker: str | None
    onvif: dict[str, Any] = field(default_factory=dict)
    mac: str = ""
    owner: str = ""
    path: str = ""
    http: dict[str, Any] = field(default_factory=dict)
    rtsp: dict[str, Any] = field(default_factory=dict)
    tls: str = ""
    contradicts: bool = False

    def seen(self, device_id: str) -> Observation:
        banners = []
        if self.http:
            banners.append(Banner(scheme="http", port=80, status=200, **self.http))
        if self.rtsp:
            banners.append(Banner(scheme="rtsp", port=554, status=401, **self.rtsp))
        tls = TlsSeen(
            port=443,
            version="TLSv1.2",
            is_old_offered=False,
            subject=self.tls,
            issuer=self.tls,
            is_self_signed=True,
            key_bits=2048,
            signature="sha256",
            not_after_ns=2**62,
            sha256="00",
        )
        return Observation(
            device_id=device_id,
            name=device_id,
            host="192.0.2.1",
            stream_path=self.path,
            mac=self.mac,
            mac_owner=self.owner,
            onvif=OnvifSeen(**self.onvif) if self.onvif else None,
            banners=tuple(banners),
            tls=(tls,) if self.tls else (),
        )


def _onvif(manufacturer: str, model: str, firmware: str = "", *scopes: str) -> dict[str, Any]:
    return {"manufacturer": manufacturer, "model": model, "firmware": firmware, "scopes": scopes}


_NAME, _HARDWARE = "onvif://www.onvif.org/name/", "onvif://www.onvif.org/hardware/"

GOLDEN: dict[str, Fingerprint] = {
    "hikvision-open": Fingerprint(
        brand="Hikvision",
        maker="Hikvision",
        mac="44:19:b6:00:00:01",
        path="/Streaming/Channels/101",
        onvif=_onvif("HIKVISION", "DS-2CD2142FWD-I", "V5.4.1 build 160525"),
        http={"server": "App-webs/"},
        rtsp={"realm": "IP Camera(23456)"},
    ),
    "hikvision-shut": Fingerprint(
        brand="Hikvision",
        maker="Hikvision",
        path="/Streaming/Channels/102",
        http={"server": "webserver"},
        rtsp={"realm": "IP Camera(D1234)"},
        tls="CN=DS-2CD2386G2-IU,O=Hikvision,C=CN",
    ),
    "hikvision-scopes": Fingerprint(
        brand="Hikvision",
        maker="Hikvision",
        mac="bc:ad:28:00:00:01",
        onvif={"scopes": (f"{_NAME}HIKVISION%20DS-2CD2043G0-I", f"{_HARDWARE}DS-2CD2043G0-I"), "needs_login": True},
    ),
    "hikvision-oem-no-name": Fingerprint(
        brand=None,
        maker="Hikvision",
        mac="c0:56:e3:00:00:01",
        path="/Streaming/Channels/101",
        onvif=_onvif("IPCamera", "NC304-XD", "V5.5.0 build 180314"),
    ),
    "abus-is-hikvision": Fingerprint(
        brand="ABUS",
        maker="Hikvision",
        mac="44:47:cc:00:00:01",
        path="/Streaming/Channels/101",
        onvif=_onvif("ABUS", "IPCB42510A", "V5.5.82 build 190318"),
        rtsp={"realm": "IP Camera(E1234)"},
    ),
    "abus-is-dahua": Fingerprint(
        brand="ABUS",
        maker="Dahua",
        owner="Zhejiang Dahua Technology Co., Ltd.",
        mac="9c:14:63:00:00:01",
        path="/cam/realmonitor?channel=1&subtype=0",
        onvif=_onvif("ABUS", "TVIP62500", "2.420"),
    ),
    "hilook": Fingerprint(
        brand="HiLook",
        maker="Hikvision",
        owner="Hangzhou Hikvision Digital Technology Co.,Ltd.",
        mac="a4:14:37:00:00:01",
        onvif=_onvif("HiLook", "IPC-B140H", "V5.5.82 build 190909"),
    ),
    "ezviz": Fingerprint(
        brand="EZVIZ",
        maker="Hikvision",
        path="/Streaming/Channels/101",
        onvif=_onvif("EZVIZ", "CS-C3W", "V5.3.0 build 200616"),
    ),
    "annke": Fingerprint(
        brand="Annke",
        maker="Hikvision",
        onvif=_onvif("ANNKE", "I51DL", "V5.5.82"),
        path="/Streaming/Channels/101",
    ),
    "lts": Fingerprint(
        brand="LTS",
        maker="Hikvision",
        onvif=_onvif("LTS", "CMIP3042W-28M", "V5.4.5 build 170302"),
        http={"server": "App-webs/"},
    ),
    "dahua-open": Fingerprint(
        brand="Dahua",
        maker="Dahua",
        mac="90:02:a9:00:00:01",
        path="/cam/realmonitor?channel=1&subtype=0",
        onvif=_onvif("Dahua", "IPC-HFW5231E-Z", "2.800.0000000.31.R, build: 2019-12-25"),
        rtsp={"realm": "Login to 4J01234PAZ56789"},
    ),
    "dahua-shut": Fingerprint(
        brand="Dahua",
        maker="Dahua",
        path="/cam/realmonitor?channel=1&subtype=1&unicast=true&proto=Onvif",
        rtsp={"server": "Rtsp Server/3.0", "realm": "Login to a1b2c3d4e5f60718"},
    ),
    "amcrest": Fingerprint(
        brand="Amcrest",
        maker="Dahua",
        mac="9c:8e:cd:00:00:01",
        path="/cam/realmonitor?channel=1&subtype=0",
        onvif=_onvif("Amcrest", "IP8M-2496EB", "2.460.AC00.0.R"),
        rtsp={"realm": "Login to AMC0123456789ABCDE"},
    ),
    "lorex": Fingerprint(
        brand="Lorex",
        maker="Dahua",
        onvif=_onvif("Lorex", "LNB9292B", "2.680.0000000.4.R"),
        rtsp={"realm": "Login to 3F0123456789ABC"},
    ),
    "imou": Fingerprint(
        brand="Imou",
        maker="Dahua",
        onvif=_onvif("Imou", "IPC-C22E", "2.680"),
        path="/cam/realmonitor?channel=1&subtype=0",
    ),
    "honeywell-is-dahua": Fingerprint(
        brand="Honeywell",
        maker="Dahua",
        mac="3c:ef:8c:00:00:01",
        path="/cam/realmonitor?channel=1&subtype=0",
        onvif=_onvif("Honeywell", "HBW4PER1", "1.000.HW01.3"),
        rtsp={"realm": "Login to 123456789ABCDEF"},
    ),
    "uniview": Fingerprint(
        brand="Uniview",
        maker="Uniview",
        mac="48:ea:63:00:00:01",
        path="/media/video1",
        onvif=_onvif("UNIVIEW", "IPC3614LB-SF28K-G", "IPC_G6102-B0006P11D1806"),
    ),
    "uniview-nvr-path": Fingerprint(
        brand="Uniview",
        maker="Uniview",
        mac="6c:f1:7e:00:00:01",
        path="/unicast/c1/s0/live",
        onvif=_onvif("UNV", "NVR301-08S3", "NVR-B3801"),
    ),
    "tiandy": Fingerprint(
        brand="Tiandy",
        maker="Tiandy",
        mac="3c:da:6d:00:00:01",
        onvif=_onvif("Tiandy", "TC-C32GN", "V1.0"),
    ),
    "tvt": Fingerprint(
        brand="TVT",
        maker="TVT",
        mac="00:18:ae:00:00:01",
        onvif=_onvif("TVT", "TD-9441S3", "5.0"),
        http={"server": "Cross Web Server"},
    ),
    "tvt-no-name": Fingerprint(brand="TVT", maker="TVT", mac="58:5b:69:00:00:01", http={"server": "Cross Web Server"}),
    "xiongmai": Fingerprint(
        brand="Xiongmai",
        maker="Xiongmai",
        onvif=_onvif("H264", "NVSIP", "V4.02.R11"),
        rtsp={"server": "H264DVR 1.0"},
        path="/user=admin_password=x_channel=1_stream=0.sdp?real_stream",
    ),
    "xiongmai-web": Fingerprint(
        brand="Xiongmai",
        maker="Xiongmai",
        http={"server": "uc-httpd 1.0.0"},
        rtsp={"server": "H264DVR 1.0"},
    ),
    "axis-open": Fingerprint(
        brand="Axis",
        maker="Axis",
        mac="ac:cc:8e:00:00:01",
        path="/axis-media/media.amp",
        onvif=_onvif("AXIS", "P3245-V", "10.12.130"),
        rtsp={"realm": "AXIS_ACCC8E000001"},
    ),
    "axis-shut": Fingerprint(
        brand="Axis",
        maker="Axis",
        path="/axis-media/media.amp?videocodec=h264",
        http={"realm": "AXIS_B8A44F000001"},
        tls="CN=axis-b8a44f000001,O=Axis Communications AB",
    ),
    "bosch": Fingerprint(
        brand="Bosch",
        maker="Bosch",
        mac="00:07:5f:00:00:01",
        path="/rtsp_tunnel?p=0",
        onvif=_onvif("Bosch", "FLEXIDOME IP starlight 6000 VR", "6.60.0065"),
        http={"server": "VCS-VideoJet-Webserver"},
    ),
    "hanwha": Fingerprint(
        brand="Hanwha Vision",
        maker="Hanwha Vision",
        mac="00:09:18:00:00:01",
        path="/profile1/media.smp",
        onvif=_onvif("Hanwha Techwin", "XNV-8080R", "1.41.03_20210302"),
        http={"realm": "iPolis"},
    ),
    "hanwha-samsung": Fingerprint(
        brand="Hanwha Vision",
        maker="Hanwha Vision",
        owner="Samsung Techwin Co.,Ltd",
        mac="00:16:6c:00:00:01",
        onvif=_onvif("Samsung Techwin", "SNV-6013", "2.02"),
    ),
    "vivotek": Fingerprint(
        brand="Vivotek",
        maker="Vivotek",
        mac="00:02:d1:00:00:01",
        onvif=_onvif("VIVOTEK", "FD9389-EHV-v2", "0103a"),
        http={"server": "Vivotek Network Camera"},
    ),
    "mobotix": Fingerprint(
        brand="Mobotix",
        maker="Mobotix",
        mac="00:03:c5:00:00:01",
        onvif=_onvif("MOBOTIX", "M16B", "MX-V5.4.0.60"),
    ),
    "pelco": Fingerprint(
        brand="Pelco",
        maker="Pelco",
        owner="Pelco, Inc",
        mac="00:04:7d:00:00:01",
        onvif=_onvif("Pelco", "IMP321-1RS", "2.9"),
    ),
    "avigilon": Fingerprint(
        brand="Avigilon",
        maker="Avigilon",
        owner="Avigilon Corporation",
        mac="00:18:85:00:00:01",
        onvif=_onvif("Avigilon", "2.0C-H4A-DO1", "4.10.0.44"),
    ),
    "geovision": Fingerprint(
        brand="GeoVision",
        maker="GeoVision",
        mac="00:13:e2:00:00:01",
        onvif=_onvif("GeoVision", "GV-EBD4700", "v1.03"),
        rtsp={"title": "VCP IPC Realtime stream"},
    ),
    "geovision-old": Fingerprint(
        brand="GeoVision",
        maker="GeoVision",
        http={"server": "GeoHttpServer"},
        onvif=_onvif("", "GV-VS12", "V1.03"),
    ),
    "reolink": Fingerprint(
        brand="Reolink",
        maker="Reolink",
        mac="ec:71:db:00:00:01",
        path="/h264Preview_01_main",
        onvif=_onvif("Reolink", "RLC-410W", "v3.0.0.136_20121102"),
        rtsp={"title": 'Session streamed by "preview" h264Preview_01_main'},
    ),
    "ubiquiti": Fingerprint(
        brand="Ubiquiti",
        maker="Ubiquiti",
        mac="68:d7:9a:00:00:01",
        rtsp={"title": "68D79A000001_0"},
    ),
    "foscam": Fingerprint(
        brand="Foscam",
        maker="Foscam",
        path="/videoMain",
        onvif=_onvif("Foscam", "FI9900P", "2.84.2.33"),
        owner="Shenzhen Foscam Intelligent Technology Co., Ltd",
        mac="c0:98:79:00:00:01",
    ),
    "tapo": Fingerprint(
        brand="TP-Link",
        maker="TP-Link",
        onvif=_onvif("tp-link", "Tapo C200", "1.3.2 Build 220712"),
        rtsp={"title": 'Session streamed by "TP-LINK RTSP Server"'},
    ),
    "milesight": Fingerprint(
        brand="Milesight",
        maker="Milesight",
        mac="1c:c3:16:00:00:01",
        onvif=_onvif("Milesight", "MS-C5376-PB", "45.7"),
    ),
    "sony": Fingerprint(
        brand="Sony",
        maker="Sony",
        owner="Sony Corporation",
        mac="54:53:ed:00:00:01",
        onvif=_onvif("Sony", "SNC-VB770", "1.3.0"),
    ),
    "panasonic": Fingerprint(
        brand="Panasonic i-PRO",
        maker="Panasonic i-PRO",
        owner="Panasonic i-PRO Sensing Solutions",
        path="/MediaInput/h264",
        mac="bc:c3:42:00:00:01",
        onvif=_onvif("Panasonic", "WV-S1131", "4.61"),
    ),
    "canon": Fingerprint(
        brand="Canon",
        maker="Canon",
        owner="CANON INC.",
        mac="84:ba:3b:00:00:01",
        onvif=_onvif("Canon", "VB-H45", "1.1"),
    ),
    "dlink": Fingerprint(
        brand="D-Link",
        maker="D-Link",
        http={"realm": "DCS-2530L"},
        onvif=_onvif("D-Link", "DCS-2530L", "1.05.05"),
    ),
    "edimax": Fingerprint(
        brand="Edimax",
        maker="Edimax",
        owner="Edimax Technology Co. Ltd.",
        mac="74:da:38:00:00:01",
        onvif=_onvif("Edimax", "IC-7100W", "1.0"),
    ),
    "avtech": Fingerprint(
        brand="AVTECH",
        maker="AVTECH",
        http={"server": "Linux/2.x UPnP/1.0 Avtech/1.0"},
        onvif=_onvif("AVTECH", "AVM1203", "FullImg-1023-1007-1011-1009"),
    ),
    "ptzoptics": Fingerprint(
        brand="PTZOptics",
        maker="PTZOptics",
        onvif=_onvif("PTZOptics", "PT30X-NDI-GY-G2", "6.3.39"),
    ),
    "vstarcam": Fingerprint(
        brand="VStarcam",
        maker="VStarcam",
        rtsp={"title": "streamed by the VSTARCAM RTSP server"},
        onvif=_onvif("VSTARCAM", "C7824", "10.0"),
    ),
    "v380": Fingerprint(
        brand="Macro-video (V380)",
        maker="Macro-video (V380)",
        rtsp={"title": "streamed by the macro-video rtsp server"},
    ),
    "anpviz": Fingerprint(
        brand="Anpviz",
        maker="Anjvision",
        onvif=_onvif("Anpviz", "IPC-D250", "V1"),
        rtsp={"title": "RTSP/RTP stream from anjvision ipcamera LIVE555"},
    ),
    "no-name": Fingerprint(brand=None, maker=None, onvif=_onvif("IPCAM", "C9F0SeZ3N0PbL0", "V13.1.48.16.3-20200320")),
    "silent": Fingerprint(brand=None, maker=None, http={"server": "nginx"}),
    "says-axis-is-dahua": Fingerprint(
        brand="Axis",
        maker="Dahua",
        mac="90:02:a9:00:00:02",
        path="/cam/realmonitor?channel=1&subtype=0",
        onvif=_onvif("AXIS", "P3245-V", "11.8.61"),
        rtsp={"realm": "Login to 4J01234PAZ56789"},
        contradicts=True,
    ),
    "says-bosch-is-hikvision": Fingerprint(
        brand="Bosch",
        maker="Hikvision",
        mac="44:19:b6:00:00:09",
        path="/Streaming/Channels/101",
        onvif=_onvif("Bosch", "DINION", "V5.6.0 build 220101"),
        rtsp={"realm": "IP Camera(12345)"},
        contradicts=True,
    ),
}
