package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	crconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/clients"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/endpoints"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

// stopTimeout bounds the time in which reconcilers must end. It is longer than one call to the API
// server and shorter than a pod's grace period.
const stopTimeout = 15 * time.Second

// The leader election writes its events with the older events API. The names are those of a release
// named proxy.
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=create,namespace=release
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,resourceNames=proxy-controller,verbs=get;update;patch,namespace=release
// +kubebuilder:rbac:groups="",resources=events,verbs=create;patch,namespace=release

// reconcileTimeout bounds one reconciliation. It is longer than a hundred calls to a slow API
// server take, and keeps a hanging call from stopping the controller for good.
const reconcileTimeout = 2 * time.Minute

// Run runs the controller until ctx is done. While the API server does not answer, and when it has
// lost the leader election, the controller waits and goes on. Run returns an error if it cannot
// start at all.
func Run(ctx context.Context, config Config) error {
	ctrl.SetLogger(config.Log)
	p := &probes{}
	stopHealth, err := serve(ctx, config.HealthAddress, p.health(), config.Log)
	if err != nil {
		return err
	}
	defer stopHealth()
	stopMetrics, err := serve(ctx, config.MetricsAddress, metricsHandler(), config.Log)
	if err != nil {
		return err
	}
	defer stopMetrics()
	ask, err := asker(restConfig(config))
	if err != nil {
		return err
	}
	s := &supervisor{
		log: config.Log, ask: ask, say: p.wait, now: time.Now, nap: pace.Pause,
		run: func(ctx context.Context) error { return runManager(ctx, config, p) },
	}
	return s.supervise(ctx)
}

// runManager runs one manager until ctx is done or the manager fails. A manager that lost the
// leader election has its contexts cancelled and may still be ending its last call. Every write
// names the version that it replaces or is repeatable, so that such a call does no harm.
func runManager(ctx context.Context, config Config, p *probes) error {
	registered := &registry{Registerer: metrics.Registry}
	defer registered.clear()
	mgr, err := newManager(config)
	if err != nil {
		return err
	}
	if err := setup(mgr, config, registered); err != nil {
		return err
	}
	p.use(mgr.GetCache())
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("run controller: %w", err)
	}
	return nil
}

// restConfig returns how to reach the API server.
func restConfig(config Config) *rest.Config {
	c := rest.CopyConfig(config.REST)
	c.QPS = -1 // the API server limits requests with priority and fairness
	c.UserAgent = "signstash-controller"
	return c
}

func newManager(config Config) (ctrl.Manager, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	timeout, again := stopTimeout, true
	mgr, err := ctrl.NewManager(restConfig(config), ctrl.Options{
		Scheme:                        scheme,
		Logger:                        config.Log,
		Cache:                         cacheOptions(config),
		LeaderElection:                config.LeaderElect,
		LeaderElectionID:              config.Lease,
		LeaderElectionNamespace:       config.Namespace,
		LeaderElectionResourceLock:    resourcelock.LeasesResourceLock,
		LeaderElectionReleaseOnCancel: true, // the reconcilers have ended by then, so the next leader need not wait
		GracefulShutdownTimeout:       &timeout,
		Metrics:                       metricsserver.Options{BindAddress: noAddress},
		HealthProbeBindAddress:        noAddress,
		Controller: crconfig.Controller{
			SkipNameValidation:    &again, // an earlier manager of this process had the same names
			ReconciliationTimeout: reconcileTimeout,
		},
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
		networkingv1.AddToScheme, gatewayv1.Install,
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
		NodePortBase:       c.Endpoint.NodePortBase,
		Routes:             routes(c.Endpoint),
	}
}

func routes(e Endpoint) endpoints.Routes {
	r := endpoints.Routes{
		Annotations:   e.RouteAnnotations,
		Kind:          e.RouteKind,
		IngressClass:  e.IngressClass,
		TLSSecret:     e.IngressTLSSecret,
		IngressNoWait: !e.IngressWait,
	}
	for _, p := range e.Parents {
		r.Parents = append(r.Parents, endpoints.Parent(p))
	}
	for _, mode := range e.FormerModes {
		r.FormerModes = append(r.FormerModes, endpoints.Mode(mode))
	}
	return r
}

// proxyLabels are the labels of every pod of every proxy. The owner of a pod says to which proxy it
// belongs.
func proxyLabels() labels.Set {
	return labels.Set{"app.kubernetes.io/name": "signstash-proxy", "app.kubernetes.io/component": "proxy"}
}

// setup adds the reconcilers and the owner of the Lease to the manager.
func setup(mgr ctrl.Manager, config Config, registered prometheus.Registerer) error {
	if err := clients.Setup(mgr, clients.Config{
		Namespace:      config.Namespace,
		StatefulSet:    config.StatefulSet,
		RenderedSecret: config.ClientsSecret,
		TokenKeySecret: config.TokenKeySecret,
		Providers:      config.Providers,
		Metrics:        registered,
	}); err != nil {
		return err
	}
	e := endpointsConfig(config)
	e.Metrics = registered
	if err := endpoints.Setup(mgr, e); err != nil {
		return err
	}
	if config.LeaderElect {
		owner := &leaseOwner{config: config, client: mgr.GetClient(), reader: mgr.GetAPIReader(), looks: time.Tick(leaseLook)}
		if err := mgr.Add(owner); err != nil {
			return fmt.Errorf("add owner of the Lease: %w", err)
		}
	}
	return nil
}
