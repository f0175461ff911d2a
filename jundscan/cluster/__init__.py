"""A scan on other machines, through Dask."""
