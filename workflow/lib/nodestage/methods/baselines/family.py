"""The methods that the `baselines` job of a fold fits."""

from nodestage.methods.baselines import (
    ct_report,
    deepten,
    radiomics,
    radiomics_ct_report,
    resnet2d,
    resnet3d,
)

METHODS = {
    "ct_report": ct_report.Method,
    "radiomics": radiomics.Method,
    "radiomics_ct_report": radiomics_ct_report.Method,
    "resnet2d": resnet2d.Method,
    "deepten": deepten.Method,
    "resnet3d": resnet3d.Method,
}
