package software

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"encoding/asn1"
	"errors"
	"fmt"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/ber"
)

// errNotPFX is the error for bytes that are not a PKCS#12 file at all.
var errNotPFX = errors.New("it is not a PKCS#12 file")

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
)

// explicit is the tag [0] around a content.
var explicit = cbasn1.Tag(0).Constructed().ContextSpecific()

// toDER converts a PKCS#12 file (RFC 7292 4: BER) to the DER form that the library reads. The MAC
// covers the original bytes of the contents. So if those change, toDER verifies the MAC first and
// then replaces it by a MAC of the new contents with the same key.
func toDER(data []byte, password string) ([]byte, error) {
	der, _, was, err := ber.ToDER(data)
	if err != nil {
		return nil, errNotPFX
	}
	var f pfx
	if !f.read(der) {
		return nil, errNotPFX
	}
	contents, err := convertSafe(f.contents)
	if err != nil {
		return nil, err
	}
	switch {
	case bytes.Equal(contents, f.contents) && was:
		return data, nil
	case bytes.Equal(contents, f.contents):
		return der, nil
	}
	if f.macData != nil {
		if err := f.replaceMAC(contents, password); err != nil {
			return nil, err
		}
	}
	f.contents = contents
	return f.marshal()
}

// pfx is a PKCS#12 file (PFX, RFC 7292 4).
type pfx struct {
	version  int
	contents []byte // AuthenticatedSafe
	macData  *macData
}

// macData is MacData (RFC 7292 4).
type macData struct {
	Mac struct {
		Algorithm struct {
			Algorithm  asn1.ObjectIdentifier
			Parameters asn1.RawValue `asn1:"optional"`
		}
		Digest []byte
	}
	Salt       []byte
	Iterations int `asn1:"optional,default:1"`
}

func (f *pfx) read(der []byte) bool {
	in := cryptobyte.String(der)
	var body, info, content cryptobyte.String
	var contentType asn1.ObjectIdentifier
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1Integer(&f.version) ||
		!body.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&contentType) ||
		!contentType.Equal(oidData) || !info.ReadASN1(&content, explicit) ||
		!content.ReadASN1Bytes(&f.contents, cbasn1.OCTET_STRING) {
		return false
	}
	if body.Empty() {
		return true
	}
	f.macData = &macData{}
	rest, err := asn1.Unmarshal(body, f.macData)
	return err == nil && len(rest) == 0
}

func (f *pfx) marshal() ([]byte, error) {
	var mac []byte
	if f.macData != nil {
		var err error
		if mac, err = asn1.Marshal(*f.macData); err != nil {
			return nil, fmt.Errorf("encode MAC: %w", err)
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(int64(f.version))
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidData)
			b.AddASN1(explicit, func(b *cryptobyte.Builder) { b.AddASN1OctetString(f.contents) })
		})
		b.AddBytes(mac)
	})
	return b.Bytes()
}

// convertSafe converts an AuthenticatedSafe to DER form. It also converts its contents, except the
// encrypted ones.
func convertSafe(contents []byte) ([]byte, error) {
	der, size, _, err := ber.ToDER(contents)
	if err != nil || size != len(contents) {
		return nil, errNotPFX
	}
	in := cryptobyte.String(der)
	var infos cryptobyte.String
	if !in.ReadASN1(&infos, cbasn1.SEQUENCE) {
		return nil, errNotPFX
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for !infos.Empty() {
			if !convertInfo(b, &infos) {
				b.SetError(errNotPFX)
				return
			}
		}
	})
	return b.Bytes()
}

// convertInfo copies one ContentInfo.
func convertInfo(b *cryptobyte.Builder, infos *cryptobyte.String) bool {
	var whole, info, content cryptobyte.String
	var contentType asn1.ObjectIdentifier
	if !infos.ReadASN1Element(&whole, cbasn1.SEQUENCE) {
		return false
	}
	info = whole
	if !info.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&contentType) ||
		!info.ReadASN1(&content, explicit) {
		return false
	}
	var convert func(*cryptobyte.Builder, cryptobyte.String) bool
	switch {
	case contentType.Equal(oidData):
		convert = convertData
	case contentType.Equal(oidEncryptedData):
		convert = convertEncrypted
	default:
		b.AddBytes(whole)
		return true
	}
	ok := false
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(contentType)
		b.AddASN1(explicit, func(b *cryptobyte.Builder) { ok = convert(b, content) })
	})
	return ok
}

// convertData copies an OCTET STRING that contains SafeContents, which may be BER too.
func convertData(b *cryptobyte.Builder, content cryptobyte.String) bool {
	var octets []byte
	if !content.ReadASN1Bytes(&octets, cbasn1.OCTET_STRING) {
		return false
	}
	if der, size, _, err := ber.ToDER(octets); err == nil && size == len(octets) {
		octets = der
	}
	b.AddASN1OctetString(octets)
	return true
}

// convertEncrypted copies EncryptedData (RFC 5652 8). Its content is an OCTET STRING under an
// implicit tag. In BER it may come in pieces, which convertEncrypted joins.
func convertEncrypted(b *cryptobyte.Builder, content cryptobyte.String) bool {
	primitive := cbasn1.Tag(0).ContextSpecific()
	var data, info, pieces, octets cryptobyte.String
	var version, contentType, algorithm cryptobyte.String
	if !content.ReadASN1(&data, cbasn1.SEQUENCE) || !data.ReadASN1Element(&version, cbasn1.INTEGER) ||
		!data.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1Element(&contentType, cbasn1.OBJECT_IDENTIFIER) ||
		!info.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) {
		return false
	}
	var joined []byte
	switch {
	case info.PeekASN1Tag(primitive) && info.ReadASN1(&octets, primitive):
		joined = octets
	case info.PeekASN1Tag(explicit) && info.ReadASN1(&pieces, explicit):
		for !pieces.Empty() {
			if !pieces.ReadASN1(&octets, cbasn1.OCTET_STRING) {
				return false
			}
			joined = append(joined, octets...)
		}
	default:
		return false
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(version)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(contentType)
			b.AddBytes(algorithm)
			b.AddASN1(primitive, func(b *cryptobyte.Builder) { b.AddBytes(joined) })
		})
		b.AddBytes(data)
	})
	return true
}

// macHashes maps the identifiers of hashes to the hashes of MACs that the library can verify.
var macHashes = map[string]crypto.Hash{
	"1.3.14.3.2.26": crypto.SHA1, "2.16.840.1.101.3.4.2.1": crypto.SHA256, "2.16.840.1.101.3.4.2.3": crypto.SHA512,
}

// maxIterations is the largest accepted number of iterations for a MAC, to bound the work. 10
// million take some seconds. OpenSSL uses 2,048, NSS 600,000.
const maxIterations = 10_000_000

// replaceMAC verifies the MAC of the old contents and replaces it by the MAC of the new contents.
func (f *pfx) replaceMAC(contents []byte, password string) error {
	hash := macHashes[f.macData.Mac.Algorithm.Algorithm.String()]
	if hash == 0 || f.macData.Iterations < 1 || f.macData.Iterations > maxIterations {
		return fmt.Errorf("its MAC (algorithm %v) is not supported in a file that is not DER",
			f.macData.Mac.Algorithm.Algorithm)
	}
	secrets := [][]byte{bmpString(password)}
	if password == "" {
		secrets = append(secrets, nil) // some programs encode an empty password as no bytes at all
	}
	for _, secret := range secrets {
		key := macKey(hash, secret, f.macData.Salt, f.macData.Iterations)
		if hmac.Equal(mac(hash, key, f.contents), f.macData.Mac.Digest) {
			f.macData.Mac.Digest = mac(hash, key, contents)
			return nil
		}
	}
	return pkcs12.ErrIncorrectPassword
}

func mac(hash crypto.Hash, key, content []byte) []byte {
	h := hmac.New(hash.New, key)
	h.Write(content)
	return h.Sum(nil)
}

// bmpString encodes a password as RFC 7292 B.1 requires: UTF-16 with two zero bytes at the end.
func bmpString(password string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(password)) {
		out = append(out, byte(unit>>8), byte(unit))
	}
	return append(out, 0, 0)
}

// macKey derives the key of a MAC (RFC 7292 B.2). The key is as long as the hash. So one block is
// enough, and the steps for further blocks are not needed.
func macKey(hash crypto.Hash, password, salt []byte, iterations int) []byte {
	const purpose = 3 // a key for a MAC (B.3)
	h := hash.New()
	block := h.BlockSize()
	h.Write(bytes.Repeat([]byte{purpose}, block))
	h.Write(repeat(salt, block))
	h.Write(repeat(password, block))
	key := h.Sum(nil)
	for range iterations - 1 {
		h.Reset()
		h.Write(key)
		key = h.Sum(key[:0])
	}
	return key
}

// repeat repeats b until the result is a multiple of block bytes long.
func repeat(b []byte, block int) []byte {
	if len(b) == 0 {
		return nil
	}
	size := (len(b) + block - 1) / block * block
	return bytes.Repeat(b, size/len(b)+1)[:size]
}
