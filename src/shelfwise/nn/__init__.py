"""Tensors: towers, losses, optimizers, augmentation, loaders."""
