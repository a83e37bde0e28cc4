"""One study by its config and sample sheet: centers, patients, folds, methods, and paths of files.

Everything here is a pure function of the config and the sheet: nothing is written, no image is
opened. `study.study.Study` is a record with these parts, one per module:

- `centers`    roles of the centers, where their masks come from
- `roster`     the patients and what the sheet holds of each
- `masks`      patients with drawn masks, and the networks trained on them
- `folds`      training, validation and test patients of each fold
- `methods`    the compared methods and their families
- `settings`   the settings that a kind of job depends on
- `resources`  threads, memory, time and GPUs of each kind of job
- `paths`      where results lie
- `facts`      what tables, reports, the bundle and a returned file state about the study

Around it: `schema` (is the config valid), `aliases` (settings with a new name), `lacking` (what is
missing for a run), `check` and `outline` (`make check`), `new` and `folder` (a study's folder), `sizes` (networks
in words).
"""
