"""The fields of KubeRay's RayJob, and of a pod as far as deploy/rayjob.yaml uses it, as a JSON schema.

Types, required fields and allowed values are those of the custom resource definition `rayjobs.ray.io` (version v1) in
helm-chart/kuberay-operator/crds/ray.io_rayjobs.yaml of github.com/ray-project/kuberay; `authOptions` is there since
KubeRay 1.5.1. The API server drops fields that it does not know, so that here they are errors. Of a pod, the definition
has all that Kubernetes has, a megabyte; here is the part about containers, volumes and placement.
"""

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
NUMBER = {"type": "number"}
FLAG = {"type": "boolean"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
QUANTITY = {
    "anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^[+-]?[0-9]+(\.[0-9]*)?([KMGTPE]i|[numkMGTPE])?$"}]
}
QUANTITIES = {"type": "object", "additionalProperties": QUANTITY}


def record(required: tuple[str, ...] = (), **fields: dict) -> dict:
    """A mapping with these fields and no others."""
    return {"type": "object", "properties": fields, "required": list(required), "additionalProperties": False}


def listed(items: dict) -> dict:
    """A list."""
    return {"type": "array", "items": items}


METADATA = record(name=TEXT, namespace=TEXT, labels=TEXTS, annotations=TEXTS)
FROM_KEY = record(("key",), name=TEXT, key=TEXT, optional=FLAG)
ENV = record(("name",), name=TEXT, value=TEXT, valueFrom=record(configMapKeyRef=FROM_KEY, secretKeyRef=FROM_KEY))
CONTAINER = record(
    ("name",),
    name=TEXT,
    image=TEXT,
    imagePullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
    command=listed(TEXT),
    args=listed(TEXT),
    env=listed(ENV),
    envFrom=listed(record(configMapRef=record(name=TEXT), secretRef=record(name=TEXT), prefix=TEXT)),
    ports=listed(record(("containerPort",), containerPort=WHOLE, name=TEXT, protocol=TEXT)),
    resources=record(limits=QUANTITIES, requests=QUANTITIES),
    volumeMounts=listed(record(("name", "mountPath"), name=TEXT, mountPath=TEXT, readOnly=FLAG, subPath=TEXT)),
)
VOLUME = record(
    ("name",),
    name=TEXT,
    configMap=record(name=TEXT, optional=FLAG),
    secret=record(secretName=TEXT, optional=FLAG),
    persistentVolumeClaim=record(("claimName",), claimName=TEXT, readOnly=FLAG),
    emptyDir=record(medium=TEXT, sizeLimit=QUANTITY),
)
POD = record(
    ("containers",),
    containers=listed(CONTAINER),
    volumes=listed(VOLUME),
    serviceAccountName=TEXT,
    nodeSelector=TEXTS,
    tolerations=listed(record(key=TEXT, operator=TEXT, value=TEXT, effect=TEXT, tolerationSeconds=WHOLE)),
    restartPolicy=TEXT,
)
POD_TEMPLATE = record(metadata=METADATA, spec=POD)

HEAD_GROUP = record(
    ("template",),
    template=POD_TEMPLATE,
    rayStartParams=TEXTS,
    serviceType=TEXT,
    enableIngress=FLAG,
    resources=TEXTS,
    labels=TEXTS,
)
WORKER_GROUP = record(
    ("groupName", "maxReplicas", "minReplicas", "template"),
    groupName=TEXT,
    replicas=WHOLE,
    minReplicas=WHOLE,
    maxReplicas=WHOLE,
    numOfHosts=WHOLE,
    idleTimeoutSeconds=WHOLE,
    suspend=FLAG,
    rayStartParams=TEXTS,
    template=POD_TEMPLATE,
    scaleStrategy=record(workersToDelete=listed(TEXT)),
    resources=TEXTS,
    labels=TEXTS,
)
AUTOSCALER = record(
    env=listed(ENV),
    idleTimeoutSeconds=WHOLE,
    image=TEXT,
    imagePullPolicy=TEXT,
    resources=record(limits=QUANTITIES, requests=QUANTITIES),
    upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
    version={"enum": ["v1", "v2"]},
)
RAY_CLUSTER = record(
    ("headGroupSpec",),
    authOptions=record(mode={"enum": ["disabled", "token"]}, secretName=TEXT),
    autoscalerOptions=AUTOSCALER,
    enableInTreeAutoscaling=FLAG,
    headGroupSpec=HEAD_GROUP,
    headServiceAnnotations=TEXTS,
    managedBy=TEXT,
    rayVersion=TEXT,
    suspend=FLAG,
    workerGroupSpecs=listed(WORKER_GROUP),
)
RAY_JOB = record(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=METADATA,
    spec=record(
        activeDeadlineSeconds=WHOLE,
        backoffLimit=WHOLE,
        clusterSelector=TEXTS,
        entrypoint=TEXT,
        entrypointNumCpus=NUMBER,
        entrypointNumGpus=NUMBER,
        entrypointResources=TEXT,
        jobId=TEXT,
        managedBy=TEXT,
        metadata=TEXTS,
        rayClusterSpec=RAY_CLUSTER,
        runtimeEnvYAML=TEXT,
        shutdownAfterJobFinishes=FLAG,
        submissionMode=TEXT,
        submitterConfig=record(backoffLimit=WHOLE),
        submitterPodTemplate=POD_TEMPLATE,
        suspend=FLAG,
        ttlSecondsAfterFinished=WHOLE,
    ),
)
