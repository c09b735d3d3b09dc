package cosign

import (
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Payload is what the signature of an image covers, in the format "simple signing".
type Payload struct {
	Critical Critical `json:"critical"`
	// Optional holds the annotations that `cosign verify -a` compares.
	Optional map[string]string `json:"optional"`
}

// Critical names the image.
type Critical struct {
	Identity struct {
		DockerReference string `json:"docker-reference"`
	} `json:"identity"`
	Image struct {
		DockerManifestDigest string `json:"docker-manifest-digest"`
	} `json:"image"`
	Type string `json:"type"`
}

// payloadKind is the value of type in the payload.
const payloadKind = "cosign container image signature"

// NewPayload returns the payload for an image or another artifact of a release.
func NewPayload(repository, version string, digest v1.Hash) Payload {
	p := Payload{Optional: map[string]string{"repository": repository, "version": version}}
	p.Critical.Identity.DockerReference = repository
	p.Critical.Image.DockerManifestDigest = digest.String()
	p.Critical.Type = payloadKind
	return p
}

// check compares a signed payload with what it should say.
func (p Payload) check(repository, version string, digest v1.Hash) error {
	switch {
	case p.Critical.Type != payloadKind:
		return fmt.Errorf("the signature is of type %q, want %q", p.Critical.Type, payloadKind)
	case p.Critical.Image.DockerManifestDigest != digest.String():
		return fmt.Errorf("the signature is for the digest %q, not for %s", p.Critical.Image.DockerManifestDigest, digest)
	case p.Optional["repository"] != repository:
		return fmt.Errorf("the signature is for the repository %q, not for %q", p.Optional["repository"], repository)
	case p.Optional["version"] != version:
		return fmt.Errorf("the signature is for the version %q, not for %q", p.Optional["version"], version)
	}
	return nil
}

func (p Payload) encode() ([]byte, error) { return json.Marshal(p) }
