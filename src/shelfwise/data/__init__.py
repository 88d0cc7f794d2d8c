"""Reading the shop's data: catalogues, Fashion-MNIST, pictures, splits; numpy, never torch."""
