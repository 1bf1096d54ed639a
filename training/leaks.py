def audit(*a):
    return []
