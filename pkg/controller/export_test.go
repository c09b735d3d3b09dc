package controller

import (
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// CacheOptions exports cacheOptions for the tests.
var CacheOptions = cacheOptions

// NewLeaseOwner returns a leaseOwner that checks the owner of the Lease at each tick.
func NewLeaseOwner(config Config, c client.Client, ticks <-chan time.Time) manager.Runnable {
	return &leaseOwner{config: config, client: c, reader: c, looks: ticks}
}
