// Package faulttest holds the fault matrices. Each test gives the simulated remote side one fault
// and sends requests through the whole pipeline: REST handler, service, store, format and
// provider.
//
// The package has only tests. They run beside the tests of cmd/proxy, which start the built
// program.
package faulttest
