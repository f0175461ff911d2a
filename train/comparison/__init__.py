"""Judge models on blocks of the genome that they were not fitted on, beside baselines."""
