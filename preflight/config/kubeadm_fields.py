"""The fields of kubeadm's configuration, by apiVersion and kind: data, read as of Kubernetes 1.37.

Source: https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/ and the pages of
v1beta3 and v1beta2, kubelet-config.v1beta1 and kube-proxy-config.v1alpha1 beside it. None stands
for a value that is not looked into: maps of free keys, durations, secrets.
"""

from __future__ import annotations

from preflight.config.section import Fields
from rules.version import Version

GROUP = "kubeadm.k8s.io/"
# The first and last minor whose kubeadm accepts an API. Source: the release notes of 1.27 and 1.37
# (removals), 1.22 and 1.31 (additions).
ACCEPTED: dict[str, tuple[Version, Version | None]] = {
    f"{GROUP}v1beta2": (Version(1, 15), Version(1, 26)),
    f"{GROUP}v1beta3": (Version(1, 22), Version(1, 36)),
    f"{GROUP}v1beta4": (Version(1, 31), None),
}

# The kubeadm releases that convert an API to the next one. Source: their release notes.
CONVERTED_BY = {f"{GROUP}v1beta2": "1.22 to 1.26", f"{GROUP}v1beta3": "1.31 to 1.36"}


def _fields(words: str) -> Fields:
    return dict.fromkeys(words.split())


TYPE = _fields("apiVersion kind")
_IMAGE = _fields("imageRepository imageTag")
_ENDPOINT = _fields("advertiseAddress bindPort")
_VOLUMES = [_fields("name hostPath mountPath readOnly pathType")]
_TAINTS = [_fields("key value effect timeAdded")]
_TOKENS = [_fields("token description ttl expires usages groups")]
_TIMEOUTS = _fields(
    "controlPlaneComponentHealthCheck kubeletHealthCheck kubernetesAPICall etcdAPICall "
    "tlsBootstrap discovery upgradeManifests"
)


def _component(number: int) -> Fields:
    fields: Fields = {"extraArgs": None, "extraVolumes": _VOLUMES}
    if number >= 4:
        fields |= {"extraArgs": [_fields("name value")], "extraEnvs": None}
    return fields


def _registration(number: int) -> Fields:
    fields = _fields("name criSocket kubeletExtraArgs ignorePreflightErrors") | {"taints": _TAINTS}
    if number >= 3:
        fields |= _fields("imagePullPolicy")
    if number >= 4:
        fields |= {"kubeletExtraArgs": [_fields("name value")], "imagePullSerial": None}
    return fields


def _node(number: int) -> Fields:
    """What InitConfiguration and JoinConfiguration share."""
    fields: Fields = TYPE | {"nodeRegistration": _registration(number)}
    if number >= 3:
        fields |= {"skipPhases": None, "patches": _fields("directory")}
    if number >= 4:
        fields |= {"dryRun": None, "timeouts": _TIMEOUTS}
    return fields


def _init(number: int) -> Fields:
    return _node(number) | {
        "bootstrapTokens": _TOKENS,
        "localAPIEndpoint": _ENDPOINT,
        "certificateKey": None,
    }


def _join(number: int) -> Fields:
    token = _fields("token apiServerEndpoint caCertHashes unsafeSkipCAVerification")
    discovery: Fields = {
        "bootstrapToken": token,
        "file": _fields("kubeConfigPath"),
        "tlsBootstrapToken": None,
    }
    if number <= 3:
        discovery |= {"timeout": None}
    return _node(number) | {
        "caCertPath": None,
        "discovery": discovery,
        "controlPlane": {"localAPIEndpoint": _ENDPOINT, "certificateKey": None},
    }


def _cluster(number: int) -> Fields:
    component = _component(number)
    api_server: Fields = component | {"certSANs": None}
    etcd = component | _IMAGE | _fields("dataDir serverCertSANs peerCertSANs")
    del etcd["extraVolumes"]
    external = _fields("endpoints caFile certFile keyFile")
    dns = dict(_IMAGE)
    fields = TYPE | _fields(
        "kubernetesVersion controlPlaneEndpoint certificatesDir imageRepository featureGates "
        "clusterName"
    )
    if number <= 3:
        api_server |= {"timeoutForControlPlane": None}
    if number == 2:
        dns |= {"type": None}
        fields |= {"useHyperKubeImage": None}
    if number >= 4:
        dns |= {"disabled": None}
        external |= {"httpEndpoints": None}
        fields |= {"proxy": _fields("disabled")}
        fields |= _fields(
            "encryptionAlgorithm certificateValidityPeriod caCertificateValidityPeriod"
        )
    return fields | {
        "networking": _fields("serviceSubnet podSubnet dnsDomain"),
        "apiServer": api_server,
        "controllerManager": component,
        "scheduler": component,
        "etcd": {"local": etcd, "external": external},
        "dns": dns,
    }


_KUBELET = _fields(
    """
    enableServer staticPodPath podLogsDir syncFrequency fileCheckFrequency httpCheckFrequency
    staticPodURL staticPodURLHeader address port readOnlyPort tlsCertFile tlsPrivateKeyFile
    tlsCipherSuites tlsCurvePreferences tlsMinVersion rotateCertificates serverTLSBootstrap
    authentication authorization registryPullQPS registryBurst
    imagePullCredentialsVerificationPolicy preloadedImagesVerificationAllowlist eventRecordQPS
    eventBurst enableDebuggingHandlers enableContentionProfiling healthzPort healthzBindAddress
    oomScoreAdj clusterDomain clusterDNS streamingConnectionIdleTimeout nodeStatusUpdateFrequency
    nodeStatusReportFrequency nodeLeaseDurationSeconds imageMinimumGCAge imageMaximumGCAge
    imageGCHighThresholdPercent imageGCLowThresholdPercent volumeStatsAggPeriod kubeletCgroups
    systemCgroups cgroupRoot cgroupsPerQOS cgroupDriver cpuManagerPolicy singleProcessOOMKill
    cpuManagerPolicyOptions cpuManagerReconcilePeriod draManagerReconcilePeriod memoryManagerPolicy
    topologyManagerPolicy topologyManagerScope topologyManagerPolicyOptions qosReserved
    runtimeRequestTimeout hairpinMode maxPods podCIDR podPidsLimit resolvConf runOnce cpuCFSQuota
    cpuCFSQuotaPeriod nodeStatusMaxImages maxOpenFiles contentType kubeAPIQPS kubeAPIBurst
    serializeImagePulls maxParallelImagePulls evictionHard evictionSoft evictionSoftGracePeriod
    evictionPressureTransitionPeriod evictionMaxPodGracePeriod evictionMinimumReclaim
    mergeDefaultEvictionSettings podsPerCore enableControllerAttachDetach protectKernelDefaults
    makeIPTablesUtilChains iptablesMasqueradeBit iptablesDropBit featureGates failSwapOn
    containerLogMaxSize containerLogMaxFiles containerLogMaxWorkers containerLogMonitorInterval
    configMapAndSecretChangeDetectionStrategy systemReserved kubeReserved reservedSystemCPUs
    showHiddenMetricsForVersion systemReservedCgroup kubeReservedCgroup enforceNodeAllocatable
    allowedUnsafeSysctls volumePluginDir providerID kernelMemcgNotification logging
    enableSystemLogHandler enableSystemLogQuery shutdownGracePeriod shutdownGracePeriodCriticalPods
    shutdownGracePeriodByPodPriority crashLoopBackOff reservedMemory enableProfilingHandler
    enableDebugFlagsHandler seccompDefault memoryThrottlingFactor memoryReservationPolicy
    registerWithTaints registerNode tracing localStorageCapacityIsolation containerRuntimeEndpoint
    imageServiceEndpoint failCgroupV1 userNamespaces
    """
) | {"memorySwap": _fields("swapBehavior")}
_PROXY = _fields(
    """
    featureGates clientConnection logging hostnameOverride bindAddress healthzBindAddress
    metricsBindAddress bindAddressHardFail enableProfiling showHiddenMetricsForVersion mode iptables
    ipvs nftables winkernel detectLocalMode detectLocal clusterCIDR nodePortAddresses oomScoreAdj
    conntrack configSyncPeriod portRange windowsRunAsService udpIdleTimeout
    """
)


def fields_of(api_version: str, kind: str) -> Fields | None:
    """The known fields of a document; an empty table for a kind that is not read at all.

    None: there is no such apiVersion or kind.
    """
    if api_version in ACCEPTED:
        number = int(api_version[-1])
        if kind in ("InitConfiguration", "JoinConfiguration", "ClusterConfiguration"):
            return {
                "InitConfiguration": _init,
                "JoinConfiguration": _join,
                "ClusterConfiguration": _cluster,
            }[kind](number)
        ignored = {2: ["ClusterStatus"], 4: ["ResetConfiguration", "UpgradeConfiguration"]}
        return {} if kind in ignored.get(number, []) else None
    return {
        ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"): TYPE | _KUBELET,
        ("kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration"): TYPE | _PROXY,
    }.get((api_version, kind))
