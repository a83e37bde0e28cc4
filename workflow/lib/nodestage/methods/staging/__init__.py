"""Methods that predict more of the nodal stage than whether there is metastasis; beyond the paper."""
