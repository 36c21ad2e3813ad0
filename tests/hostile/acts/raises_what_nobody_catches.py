# Raises an exception that `except Exception` lets through.
# earns: 50
# told: exit status 1


class Silent(BaseException):
    pass


def double(x):
    raise Silent
