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

// stopTimeout bounds the time in which reconcilers must end. It is longer than one call to the API
// server and shorter than a pod's grace period.
const stopTimeout = 15 * time.Second

// The leader election writes its events with the older events API. The names are those of a release
// named proxy.
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=create,namespace=release
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,resourceNames=proxy-controller,verbs=get;update;patch,namespace=release
// +kubebuilder:rbac:groups="",resources=events,verbs=create;patch,namespace=release

// Run runs the controller until ctx is done. It returns an error if the controller cannot start, or
// if it lost the leader election. The process must end then.
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
	restConfig.QPS = -1 // the API server limits requests with priority and fairness
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
		LeaderElectionReleaseOnCancel: true, // the process ends right after, so the next leader need not wait
		GracefulShutdownTimeout:       &timeout,
		Metrics:                       metricsserver.Options{BindAddress: config.MetricsAddress},
		HealthProbeBindAddress:        config.HealthAddress,
	})
	if err != nil {
		return nil, fmt.Errorf("make manager: %w", err)
	}
	return mgr, nil
}

// newScheme returns a scheme with only the kinds that are used here, because each kind costs
// memory.
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

// cacheOptions limits the cache to one namespace, and in it to the Secrets of client services, the
// pods of proxies and the objects that endpoints depend on.
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

// proxyLabels are the labels of every pod of every proxy. The owner of a pod says to which proxy it
// belongs.
func proxyLabels() labels.Set {
	return labels.Set{"app.kubernetes.io/name": "signstash-proxy", "app.kubernetes.io/component": "proxy"}
}

// setup adds the reconcilers, the owner of the Lease and the health checks to the manager.
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
	// A controller that does not lead is ready too, because it can take over.
	if err := mgr.AddReadyzCheck("cache", cacheSynced(mgr.GetCache())); err != nil {
		return fmt.Errorf("add readiness check: %w", err)
	}
	return nil
}

// readyTimeout bounds how long a readiness check waits for the caches. Probes wait for one second
// by default.
const readyTimeout = 500 * time.Millisecond

// cacheSynced returns a check that succeeds once the caches hold the objects of the API server.
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
