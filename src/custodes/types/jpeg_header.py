"""How large a JPEG says it is, read off its header before anything is decoded. Needs no decoder."""


def size_of_jpeg(content: bytes) -> tuple[int, int]:
    """(width, height), or (0, 0) where no frame header is found (ITU T.81, B.1.1 and B.2.2). Raises nothing."""
    at = 2
    while at + 9 < len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame's header
            return int.from_bytes(content[at + 7 : at + 9], "big"), int.from_bytes(content[at + 5 : at + 7], "big")
        else:
            at += 2 + max(int.from_bytes(content[at + 2 : at + 4], "big"), 2)
    return 0, 0
