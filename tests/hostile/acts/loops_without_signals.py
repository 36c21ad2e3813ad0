# Never ends, and ignores whoever asks it to.
# earns: 50
# told: processor time
import signal

for number in range(1, 32):
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        double = signal.signal(number, signal.SIG_IGN)


def double(x):
    for number in range(1, 32):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_IGN)
    while True:
        pass
