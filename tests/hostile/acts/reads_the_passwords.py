# Reads the accounts of the machine.
# earns: 50
# told: No such file


def double(x):
    return open("/etc/passwd").read()
