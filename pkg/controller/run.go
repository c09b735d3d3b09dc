package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/clients"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/endpoints"
)

// stopTimeout is how long reconcilers may take to end: longer than one call of the API server,
// shorter than a pod's grace period.
const stopTimeout = 15 * time.Second

// The election of the leader tells about itself in events of the older API.
// Names are those of a release named proxy.
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=create,namespace=release
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,resourceNames=proxy-controller,verbs=get;update;patch,namespace=release
// +kubebuilder:rbac:groups="",resources=events,verbs=create;patch,namespace=release

// Run works until ctx is done. It returns an error too when the lead is lost: the process has to
// end then.
func Run(ctx context.Context, config Config) error {
	ctrl.SetLogger(config.Log)
	mgr, err := newManager(config)
	if err != nil {
		return err
	}
	if err := setup(mgr, config); err != nil {
		return err
	}
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("run controller: %w", err)
	}
	return nil
}

func newManager(config Config) (ctrl.Manager, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	restConfig := rest.CopyConfig(config.REST)
	restConfig.QPS = -1 // the API server's own priority and fairness is the brake
	restConfig.UserAgent = "signstash-controller"
	timeout := stopTimeout
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme:                        scheme,
		Logger:                        config.Log,
		Cache:                         cacheOptions(config),
		LeaderElection:                config.LeaderElect,
		LeaderElectionID:              config.Lease,
		LeaderElectionNamespace:       config.Namespace,
		LeaderElectionResourceLock:    resourcelock.LeasesResourceLock,
		LeaderElectionReleaseOnCancel: true, // the process ends right after: the next one need not wait
		GracefulShutdownTimeout:       &timeout,
		Metrics:                       metricsserver.Options{BindAddress: config.MetricsAddress},
		HealthProbeBindAddress:        config.HealthAddress,
	})
	if err != nil {
		return nil, fmt.Errorf("make manager: %w", err)
	}
	return mgr, nil
}

// newScheme knows the kinds that are used here and no others: each costs memory.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, coordinationv1.AddToScheme, eventsv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("make scheme: %w", err)
		}
	}
	return scheme, nil
}

// cacheOptions narrows what is watched and kept: one namespace, and in it the Secrets of client
// services, the pods of proxies and what endpoints are made of.
func cacheOptions(config Config) cache.Options {
	own := map[string]cache.Config{config.Namespace: {}}
	objects := endpoints.Objects(endpointsConfig(config))
	objects[&corev1.Secret{}] = clients.Secrets(config.Namespace)
	objects[&corev1.Pod{}] = cache.ByObject{Namespaces: own, Label: labels.SelectorFromSet(proxyLabels())}
	return cache.Options{
		DefaultNamespaces: own,
		DefaultTransform:  cache.TransformStripManagedFields(),
		ByObject:          objects,
	}
}

func endpointsConfig(c Config) endpoints.Config {
	return endpoints.Config{
		Namespace:          c.Namespace,
		StatefulSet:        c.StatefulSet,
		EndpointsConfigMap: c.EndpointsConfigMap,
		HeadlessService:    c.HeadlessService,
		ClusterDomain:      c.Endpoint.ClusterDomain,
		Mode:               endpoints.Mode(c.Endpoint.Mode),
		HostTemplate:       c.Endpoint.HostTemplate,
		PortTemplate:       c.Endpoint.PortTemplate,
		RESTPort:           c.Endpoint.RESTPort,
		ServiceAnnotations: c.Endpoint.ServiceAnnotations,
		LoadBalancerClass:  c.Endpoint.LoadBalancerClass,
		Metrics:            metrics.Registry,
	}
}

// proxyLabels are on every pod of every proxy; whose pod it is, its owner says.
func proxyLabels() labels.Set {
	return labels.Set{"app.kubernetes.io/name": "signstash-proxy", "app.kubernetes.io/component": "proxy"}
}

// setup adds to the manager what it shall run.
func setup(mgr ctrl.Manager, config Config) error {
	if err := clients.Setup(mgr, clients.Config{
		Namespace:      config.Namespace,
		StatefulSet:    config.StatefulSet,
		RenderedSecret: config.ClientsSecret,
		Metrics:        metrics.Registry,
	}); err != nil {
		return err
	}
	if err := endpoints.Setup(mgr, endpointsConfig(config)); err != nil {
		return err
	}
	if config.LeaderElect {
		owner := &leaseOwner{config: config, client: mgr.GetClient(), reader: mgr.GetAPIReader(), looks: time.Tick(leaseLook)}
		if err := mgr.Add(owner); err != nil {
			return fmt.Errorf("add owner of the Lease: %w", err)
		}
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("add health check: %w", err)
	}
	// Ready also while another one leads: it could take over.
	if err := mgr.AddReadyzCheck("cache", cacheSynced(mgr.GetCache())); err != nil {
		return fmt.Errorf("add readiness check: %w", err)
	}
	return nil
}

// readyTimeout is how long a readiness check waits for caches; probes wait for a second by default.
const readyTimeout = 500 * time.Millisecond

// cacheSynced is ready once the API server has told what there is.
func cacheSynced(c cache.Cache) healthz.Checker {
	return func(r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if !c.WaitForCacheSync(ctx) {
			return errors.New("caches are not filled yet")
		}
		return nil
	}
}
