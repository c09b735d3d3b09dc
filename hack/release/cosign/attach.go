package cosign

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
)

// Media types and annotations of cosign's attached artifacts.
const (
	signatureType   types.MediaType = "application/vnd.dev.cosign.simplesigning.v1+json"
	attestationType types.MediaType = "application/vnd.dsse.envelope.v1+json"

	signatureAnnotation = "dev.cosignproject.cosign/signature"
	predicateAnnotation = "predicateType"
)

// maxAttached bounds the number of signatures or attestations of one image.
const maxAttached = 100

func signatureTag(digest v1.Hash) string   { return digest.Algorithm + "-" + digest.Hex + ".sig" }
func attestationTag(digest v1.Hash) string { return digest.Algorithm + "-" + digest.Hex + ".att" }

// Attestation is a signed statement.
type Attestation struct {
	PredicateType string
	Envelope      []byte
}

// Attach adds the signature of an artifact, and its attestations, to the layout.
func Attach(l *oci.Layout, key PrivateKey, p Payload, attestations []Attestation) error {
	digest, err := v1.NewHash(p.Critical.Image.DockerManifestDigest)
	if err != nil {
		return err
	}
	payload, err := p.encode()
	if err != nil {
		return err
	}
	sig, err := key.Sign(payload)
	if err != nil {
		return err
	}
	layer, err := l.AddBytes(signatureType, payload)
	if err != nil {
		return err
	}
	layer.Annotations = map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(sig)}
	if err := attach(l, signatureTag(digest), []v1.Descriptor{layer}); err != nil {
		return err
	}
	var layers []v1.Descriptor
	for _, a := range attestations {
		layer, err := l.AddBytes(attestationType, a.Envelope)
		if err != nil {
			return err
		}
		layer.Annotations = map[string]string{signatureAnnotation: "", predicateAnnotation: a.PredicateType}
		layers = append(layers, layer)
	}
	return attach(l, attestationTag(digest), layers)
}

// attach adds an artifact with these layers and the tag.
func attach(l *oci.Layout, tag string, layers []v1.Descriptor) error {
	config := v1.ConfigFile{RootFS: v1.RootFS{Type: "layers"}}
	for _, layer := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, layer.Digest)
	}
	c, err := l.AddJSON(types.OCIConfigJSON, config)
	if err != nil {
		return err
	}
	m, err := l.AddJSON(types.OCIManifestSchema1, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: c, Layers: layers,
	})
	if err != nil {
		return err
	}
	l.Tag(m, tag)
	return nil
}

// VerifySignature checks that the artifact with this digest has a signature of key, for this
// repository and version.
func VerifySignature(ctx context.Context, s oci.Source, key PublicKey, repository, version string,
	digest v1.Hash) error {
	layers, err := attached(ctx, s, signatureTag(digest), signatureType)
	if errors.Is(err, oci.ErrNotFound) {
		return errors.New("it has no signature")
	}
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	err = fmt.Errorf("signature: %w", ErrOtherKey)
	for _, layer := range layers {
		sig, decodeErr := base64.StdEncoding.DecodeString(layer.annotations[signatureAnnotation])
		if decodeErr != nil || !key.Verify(layer.content, sig) {
			continue
		}
		var p Payload
		if err = json.Unmarshal(layer.content, &p); err == nil {
			err = p.check(repository, version, digest)
		}
		if err == nil {
			return nil
		}
	}
	return err
}

// Statements returns the statements of these predicate types that are attached to the artifact with
// this digest and signed by key. It fails if one of the types is missing or there twice.
// Attestations of others do not disturb.
func Statements(ctx context.Context, s oci.Source, key PublicKey, digest v1.Hash,
	predicateTypes ...string) (map[string][]byte, error) {
	layers, err := attached(ctx, s, attestationTag(digest), attestationType)
	if errors.Is(err, oci.ErrNotFound) {
		return nil, errors.New("it has no attestations")
	}
	if err != nil {
		return nil, fmt.Errorf("attestations: %w", err)
	}
	found, refused := map[string][]byte{}, map[string]error{}
	for _, layer := range layers {
		kind, statement, err := layer.statement(key)
		if err != nil {
			refused[kind] = err
			continue
		}
		if found[kind] != nil {
			return nil, fmt.Errorf("attestation %s: there are two", kind)
		}
		found[kind] = statement
	}
	for _, kind := range predicateTypes {
		switch {
		case found[kind] == nil && refused[kind] != nil:
			return nil, fmt.Errorf("attestation %s: %w", kind, refused[kind])
		case found[kind] == nil:
			return nil, fmt.Errorf("it has no attestation of type %s", kind)
		}
	}
	return found, nil
}

type attachedLayer struct {
	annotations map[string]string
	content     []byte
}

// statement returns the statement in a layer and its predicate type. With an error, the type is
// what the annotation of the layer says, which nobody has signed.
func (l attachedLayer) statement(key PublicKey) (kind string, statement []byte, err error) {
	if statement, err = Unseal(key, l.content); err != nil {
		return l.annotations[predicateAnnotation], nil, err
	}
	var head struct {
		PredicateType string `json:"predicateType"`
	}
	if err := json.Unmarshal(statement, &head); err != nil {
		return l.annotations[predicateAnnotation], nil, err
	}
	return head.PredicateType, statement, nil
}

// attached returns the layers of an attached artifact.
func attached(ctx context.Context, s oci.Source, tag string, mediaType types.MediaType) ([]attachedLayer, error) {
	d, err := s.Resolve(ctx, tag)
	if err != nil {
		return nil, err
	}
	content, err := oci.Read(ctx, s, d)
	if err != nil {
		return nil, err
	}
	var m v1.Manifest
	if err := json.Unmarshal(content, &m); err != nil {
		return nil, err
	}
	if len(m.Layers) > maxAttached {
		return nil, fmt.Errorf("%s has %d layers, at most %d are read", tag, len(m.Layers), maxAttached)
	}
	var layers []attachedLayer
	for _, l := range slices.DeleteFunc(m.Layers, func(l v1.Descriptor) bool { return l.MediaType != mediaType }) {
		content, err := oci.Read(ctx, s, l)
		if err != nil {
			return nil, err
		}
		layers = append(layers, attachedLayer{l.Annotations, content})
	}
	return layers, nil
}
