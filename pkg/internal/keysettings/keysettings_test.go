package keysettings

import (
	"crypto"
	"strings"
	"testing"
)

// TestValidate checks that all mistakes are reported at once, with the names of the configuration
// file.
func TestValidate(t *testing.T) {
	for _, good := range []Settings{{}, {Hash: "SHA384", Algorithm: "PSS", MaxBatch: 7, InFlight: 2}} {
		if err := good.Validate(); err != nil {
			t.Errorf("Validate of %+v = %v, want nil", good, err)
		}
	}
	err := Settings{Hash: "md5", Algorithm: "DSA", InFlight: -1}.Validate()
	for _, want := range []string{`hash: "md5"`, `algorithm: "DSA"`, "maxBatch and inFlight:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want %q in it", err, want)
		}
	}
	if h, err := ParseHash("sha512"); h != crypto.SHA512 || err != nil {
		t.Errorf("ParseHash(sha512) = %v, %v, want SHA-512", h, err)
	}
}
