// Package providertest is the conformance suite of signing.Provider: each provider's tests run it.
//
// A provider joins in with a Harness:
//
//	func TestConformance(t *testing.T) {
//		providertest.Run(t, providertest.Harness{Open: func(t *testing.T) signing.Provider { … }})
//	}
package providertest
