// Package servicetest runs the simulated signing service in tests of providers, and lists what its
// faults mean to them.
package servicetest
