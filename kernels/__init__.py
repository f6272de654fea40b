"""The operator: gather, transport, contract. Tensors in, tensors out."""
