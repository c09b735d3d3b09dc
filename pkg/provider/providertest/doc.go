// Package providertest is the conformance suite of signing.Provider. The tests of every provider
// run it. Tests of the faults of one provider use Attempt and Outcome.
//
// A provider joins with a Harness:
//
//	func TestConformance(t *testing.T) {
//		providertest.Run(t, providertest.Harness{Open: func(t *testing.T) signing.Provider { … }})
//	}
package providertest
