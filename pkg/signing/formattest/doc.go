// Package formattest is the conformance suite of signing.Format. The tests of every format run it.
// Its Shapes are the ways in which formats join a signed document, for the tests of everything that
// stores or reads signed documents.
//
// A format joins the suite with a Harness:
//
//	func TestConformance(t *testing.T) {
//		formattest.Run(t, formattest.Harness{Open: func(t *testing.T) signing.Format { … }, …})
//	}
//
// It is for tests only.
package formattest
