# Snakemake 9 limits the jobs that it starts in a second (100 by default). To look again
# after that second, each look for free slots starts a thread with a timer, whose end starts the next
# look: as many threads as jobs were run, for as long as others wait. In a study of hundreds of
# patients they take a core, then all threads that the machine allows (compare snakemake's issue 3804).
# Nothing here needs that limit. A lower one, asked for by --max-jobs-per-timespan, stays.
#
# A run on this machine whose jobs ask for a GPU that isn't there is refused before its first job;
# a cluster's jobs find theirs elsewhere. So is one whose radiomics find no PyRadiomics, unless conda
# brings it.

from snakemake_interface_executor_plugins.settings import DeploymentMethod


onstart:
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and limit.max_jobs / limit.timespan >= 100:
        workflow.scheduler.job_rate_limiter = None
    if workflow.local_exec:
        from nodestage.core import gpus
        from nodestage.core.errors import InputError
        from nodestage.methods.radiomics import installed

        conda = (
            DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
        )
        waiting = list(workflow.dag.needrun_jobs())
        asking = sorted(
            {job.rule.name for job in waiting if job.resources.get("gpu")}
        )
        try:
            gpus.check(asking, config.get("jobs", {}))
            if not conda and any(job.rule.name == "radiomics" for job in waiting):
                installed.check()
        except InputError as error:
            raise WorkflowError(str(error))
