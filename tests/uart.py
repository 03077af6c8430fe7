"""A UART at the bit level: what a receiver at one setting makes of what a sender at another one sends."""

from bluewhale.capture.hunt import Errors, Tune

IDLE = 1


def bits(data: bytes, framing: str, gap_bits: int = 0) -> list[int]:
    """Levels of the line, one a bit time: idle, then each byte with its start bit, data, parity and stop bits."""
    size, parity, stop = int(framing[0]), framing[1], int(framing[2:])
    line = [IDLE] * 12
    for byte in data:
        payload = [byte >> at & 1 for at in range(size)]
        line += [0, *payload]
        if parity in "EO":
            line.append((sum(payload) + (parity == "O")) % 2)
        line += [IDLE] * (stop + gap_bits)
    return line + [IDLE] * 12


def receive(line: list[int], sent: int, tune: Tune, eager: bool) -> tuple[bytes, Errors]:
    """Samples in the middle of each bit. `eager`: after a framing error the low bit is taken for the next start, as a
    16550 does; else the line must become high first."""
    size, parity = int(tune.framing[0]), tune.framing[1]
    ratio = sent / tune.baud  # bit times of the sender in one of ours
    length = len(line)

    def level(at: float) -> int:
        return line[int(at)] if at < length else IDLE

    found, framing, wrong_parity, at = bytearray(), 0, 0, 0.0
    while (at := _falls(line, at)) < length:
        if level(at + 0.5 * ratio):
            at = _rises(line, at)  # a spike
            continue
        while True:
            payload = [level(at + (1.5 + number) * ratio) for number in range(size)]
            end = at + (1.5 + size) * ratio
            if parity in "EO":
                wrong_parity += (sum(payload) + level(end) + (parity == "O")) % 2
                end += ratio
            found.append(sum(bit << number for number, bit in enumerate(payload)))
            good = level(end)
            framing += not good
            if good or not eager or not any(payload):
                break
            at = end - 0.5 * ratio
        at = end if good else _rises(line, end)
    return bytes(found), Errors(framing, wrong_parity)


def _falls(line: list[int], at: float) -> float:
    """The beginning of the next low bit; `at` lies in a high one, or the low one begins there."""
    now = int(at)
    while now < len(line) and line[now]:
        now += 1
    return max(at, float(now))


def _rises(line: list[int], at: float) -> float:
    now = int(at)
    while now < len(line) and not line[now]:
        now += 1
    return max(at, float(now))
