"""What a page knows beside the tables: about the run, about the center, about its patients."""

from dataclasses import dataclass, field, fields

from nodestage.core.names import PHASES
from nodestage.statistics import comparisons


@dataclass(frozen=True)
class Run:
    """What a run reports about itself; a field that is left out reads "not recorded" on the page.

    Attributes
    ----------
    study : title
    simulated, effects : whether the patients are simulated; a sentence on the size of the effects
    primary : {metric, method, reference, margin}, the endpoint declared before the run
    folds, inner_folds, folds_from : numbers of folds; `stratified` by the outcome or `given` as tables
    seed, config_digest, model_digest, pretrained, versions : as recorded
    cancer, phases : name of the cancer, and the phases of the study
    sizes, smaller : grid and networks in words, and which of them are smaller than in the paper
    organs_source, tumor_source : `given` or `predicted` at this center
    discovery_organs_source, discovery_tumor_source : the same at the discovery center
    methods : names of the compared methods
    radiomics : {features: number per phase, robustness: {icc, patients} or None} where a method reads radiomics, else None
    frozen : whether a frozen bundle scored the patients
    unlearned : sentences on networks that have not fitted their own training data
    warnings, elsewhere : sentences for the top of the page; `elsewhere` is about centers that were
        scored at their own site
    """

    study: str = "nodestage"
    simulated: bool = False
    effects: str = ""
    primary: dict | None = None
    folds: int | None = None
    inner_folds: int | None = None
    folds_from: str | None = None
    seed: int | None = None
    config_digest: str = ""
    model_digest: str = ""
    pretrained: str = ""
    versions: dict = field(default_factory=dict)
    cancer: str = "pancreatic cancer"
    phases: tuple = PHASES
    sizes: dict = field(default_factory=dict)
    smaller: list = field(default_factory=list)
    organs_source: str | None = None
    tumor_source: str | None = None
    discovery_organs_source: str | None = None
    discovery_tumor_source: str | None = None
    methods: list = field(default_factory=list)
    radiomics: dict | None = None
    frozen: bool = False
    unlearned: list = field(default_factory=list)
    warnings: list = field(default_factory=list)
    elsewhere: list = field(default_factory=list)

    def __post_init__(self):
        object.__setattr__(self, "primary", comparisons.endpoint(self.primary))

    @property
    def one_phase(self) -> str:
        """The phase of a study that has a single one; empty where it has both."""
        return self.phases[0] if len(self.phases) == 1 else ""

    @classmethod
    def of(cls, known: dict, **more) -> "Run":
        """The fields of this record among what a study reports (`Study.facts`), and further ones."""
        names = {f.name for f in fields(cls)}
        return cls(**{key: value for key, value in known.items() if key in names}, **more)


@dataclass(frozen=True)
class Images:
    """Results of the check of images: patients, those flagged, and notes on the whole center."""

    patients: int
    flagged: int
    notes: list = field(default_factory=list)


@dataclass(frozen=True)
class Facts:
    """What a page shows beside the tables.

    Attributes
    ----------
    run : Run
    patients : list of dicts with patient, metastasis, the clinical columns, scores ({method: score,
        probability, call, reason}), flags (sentences), registration (record; `warnings` marks the
        patient in the figure) and deciding_node
    substituted : number of patients with one phase used for both; None if unknown
    thresholds : {method: mean of the folds' frozen thresholds}
    returned : head of the file that this center sent back, or None; its page has no gallery
    images : Images, or None
    truth, oracle, timings : rows of tables, or None
    """

    run: Run = field(default_factory=Run)
    patients: list = field(default_factory=list)
    substituted: int | None = None
    thresholds: dict = field(default_factory=dict)
    returned: dict | None = None
    images: Images | None = None
    truth: list | None = None
    oracle: list | None = None
    timings: list | None = None

    @property
    def summarised(self) -> bool:
        """Whether the center sent back summaries alone."""
        return self.returned is not None and self.returned["holds"] == "summaries"


@dataclass(frozen=True)
class Center:
    """A center and the files of its page.

    Attributes
    ----------
    name, role : `discovery` or `external`
    statistics : folder of its tables
    gallery : file of its pictures, or None
    discovery : folder of the discovery center's tables, or None
    page : file name of its page, for links
    summarised : whether it sent back summaries alone
    viewer : folder of its volume viewer, or None
    """

    name: str
    role: str
    statistics: object
    gallery: object = None
    discovery: object = None
    page: str = ""
    summarised: bool = False
    viewer: object = None
