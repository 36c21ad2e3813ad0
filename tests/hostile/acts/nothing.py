# Returns nothing.
# earns: 50
# told: None


def double(x):
    return None
