"""The few services of cameras that are looked for on a listed device, and what an open one means. Pure."""

from custodes.fleet.verdict import Severity

KNOWN_PORTS: dict[int, tuple[str, Severity]] = {
    21: ("FTP: passwords and files in the clear", Severity.MEDIUM),
    23: ("Telnet: a shell in the clear, the way Mirai came in", Severity.HIGH),
    2323: ("Telnet on its second port", Severity.HIGH),
    22: ("SSH: a shell; hardly any camera needs it", Severity.LOW),
    8000: ("Hikvision's own protocol", Severity.LOW),
    37777: ("Dahua's own protocol (CVE-2020-5735)", Severity.LOW),
    34567: ("Xiongmai's own protocol", Severity.MEDIUM),
    9530: ("Xiongmai's service port, which opened Telnet (2020)", Severity.HIGH),
    9527: ("a debugging shell of several makers", Severity.HIGH),
    5555: ("Android debugging", Severity.HIGH),
}
