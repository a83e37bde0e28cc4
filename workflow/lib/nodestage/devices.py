"""Where a network runs."""


def chosen(given=None):
    """The device that is asked for, else a GPU if there is one, else the CPU (torch.device)."""
    import torch

    return torch.device(given or ("cuda" if torch.cuda.is_available() else "cpu"))
