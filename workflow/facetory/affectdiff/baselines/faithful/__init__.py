"""The baselines after their own papers, with the sizes that MMSA has for CMU-MOSEI."""
