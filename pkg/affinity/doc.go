// Package affinity is the contract about who is who among the instances of the proxy: the endpoint
// under which clients reach the instance that holds their operation.
package affinity
