package endpoints

import (
	"context"
	"fmt"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// Kinds of routes of the Gateway API.
const (
	httpRoute = "HTTPRoute"
	tlsRoute  = "TLSRoute"
)

// routeKind is a kind of objects that route a host to an instance.
type routeKind struct {
	schema.GroupVersionKind
	mode   Mode
	object func() client.Object
	list   func() client.ObjectList
}

// routeKinds holds all kinds, by name.
var routeKinds = map[string]routeKind{
	httpRoute: {
		GroupVersionKind: gatewayv1.SchemeGroupVersion.WithKind(httpRoute), mode: Gateway,
		object: func() client.Object { return &gatewayv1.HTTPRoute{} },
		list:   func() client.ObjectList { return &gatewayv1.HTTPRouteList{} },
	},
	tlsRoute: {
		GroupVersionKind: gatewayv1.SchemeGroupVersion.WithKind(tlsRoute), mode: Gateway,
		object: func() client.Object { return &gatewayv1.TLSRoute{} },
		list:   func() client.ObjectList { return &gatewayv1.TLSRouteList{} },
	},
	string(Ingress): {
		GroupVersionKind: networkingv1.SchemeGroupVersion.WithKind(string(Ingress)), mode: Ingress,
		object: func() client.Object { return &networkingv1.Ingress{} },
		list:   func() client.ObjectList { return &networkingv1.IngressList{} },
	},
}

// presentKind returns the kind of routes that the instances need. It is empty if they need none.
func (c *Config) presentKind() string {
	switch c.Mode {
	case Gateway:
		return c.Routes.Kind
	case Ingress:
		return string(Ingress)
	}
	return ""
}

// kindLook is the time between two questions whether the API server knows a kind. An administrator
// Somebody who installs a kind waits that long at most.
const kindLook = 10 * time.Second

// routeWatches watches kinds of routes from the moment at which the API server knows them. Kinds of
// the Gateway API may be installed later than the controller.
type routeWatches struct {
	mapper  meta.RESTMapper
	watch   func(client.Object) error
	started map[string]bool
	missing map[string]bool // kinds whose absence was logged
}

// ready starts the watch of a kind. It returns why it cannot, and whether somebody must install the
// kind.
func (w *routeWatches) ready(ctx context.Context, kind routeKind) (why string, absent bool) {
	if w.started[kind.Kind] {
		return "", false
	}
	_, err := w.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		why = fmt.Sprintf("the API server does not know the kind %s of %s; install the CRDs of the Gateway API", kind.Kind,
			kind.GroupVersion())
		if !w.missing[kind.Kind] {
			w.missing[kind.Kind] = true
			log.FromContext(ctx).Info("waiting for a kind that the API server does not know", "kind", kind.String())
		}
		return why, true
	}
	if err == nil {
		err = w.watch(kind.object())
	}
	if err != nil {
		return fmt.Sprintf("watch %s: %v", kind.Kind, err), false
	}
	w.started[kind.Kind], w.missing[kind.Kind] = true, false
	return "", false
}
