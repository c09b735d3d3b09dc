package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// callTimeout bounds a call of the API server. A namespace may have thousands of events.
const callTimeout = 30 * time.Second

// cluster is the access to one namespace of a cluster, with the rights of the user.
type cluster struct {
	config    *rest.Config
	api       kubernetes.Interface
	namespace string
	now       func() time.Time
}

// connect reads the kubeconfig file as kubectl does.
func connect(o options, now func() time.Time) (*cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: o.context}
	overrides.Context.Namespace = o.namespace
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
	config, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("no cluster is configured: set KUBECONFIG or give --kubeconfig")
	}
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.UserAgent = "kubectl-signstash/" + version
	config.QPS = -1 // a few calls in a row; the API server has its own limits
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	return &cluster{config: config, api: api, namespace: namespace, now: now}, nil
}

// right is a right that a call needs, in the words of `kubectl auth can-i`.
type right struct{ verb, resource string }

// fault explains why a call failed. It names the missing right if that is the reason.
func (c *cluster) fault(err error, r right) error {
	var dial *net.OpError
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err):
		return fmt.Errorf("you lack the right to %s %s in the namespace %s; check it with: kubectl auth can-i %s %s -n %s",
			r.verb, r.resource, c.namespace, r.verb, r.resource, c.namespace)
	case apierrors.IsUnauthorized(err):
		return errors.New("the cluster does not accept your credentials; log in again")
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the API server at %s did not answer in time", c.config.Host)
	case errors.As(err, &dial):
		return fmt.Errorf("the API server at %s cannot be reached: %w", c.config.Host, dial)
	}
	return fmt.Errorf("%s %s: %w", r.verb, r.resource, err)
}
