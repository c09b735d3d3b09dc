package pdf

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha256"
	"crypto/sha512"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// passwordPadding fills up a password to 32 bytes (ISO 32000-2 7.6.4.3.2). An empty password
// becomes all of it.
const passwordPadding = "\x28\xBF\x4E\x5E\x4E\x75\x8A\x41\x64\x00\x4E\x56\xFF\xFA\x01\x08" +
	"\x2E\x2E\x00\xB6\xD0\x68\x3E\x80\x2F\x0C\xA9\xFE\x64\x53\x69\x7A"

// key128 derives the file key from the empty user password and checks it: Algorithms 2, 4, 5 and 6
// of ISO 32000-2 7.6.4.
func (s *standard) key128() ([]byte, error) {
	h := md5.New()
	h.Write([]byte(passwordPadding))
	h.Write([]byte(s.owner[:32]))
	h.Write([]byte{byte(s.permissions), byte(s.permissions >> 8), byte(s.permissions >> 16), byte(s.permissions >> 24)})
	h.Write([]byte(s.id))
	if s.revision >= 4 && !s.encryptMetadata {
		h.Write([]byte{0xff, 0xff, 0xff, 0xff})
	}
	n := s.keyBytes
	if s.revision == 2 {
		n = 5
	}
	key := h.Sum(nil)
	if s.revision >= 3 {
		for range 50 {
			sum := md5.Sum(key[:n])
			key = sum[:]
		}
	}
	key = key[:n]
	if s.revision == 2 {
		if !bytes.Equal(rc4Once(key, []byte(passwordPadding)), []byte(s.user[:32])) {
			return nil, needsPassword()
		}
		return key, nil
	}
	sum := md5.Sum([]byte(passwordPadding + s.id))
	check := sum[:]
	for i := range 20 {
		round := make([]byte, len(key))
		for j := range key {
			round[j] = key[j] ^ byte(i)
		}
		check = rc4Once(round, check)
	}
	if !bytes.Equal(check, []byte(s.user[:16])) {
		return nil, needsPassword()
	}
	return key, nil
}

// rc4Once encrypts b. The caller has checked the length of the key.
func rc4Once(key, b []byte) []byte {
	out := make([]byte, len(b))
	if c, err := rc4.NewCipher(key); err == nil {
		c.XORKeyStream(out, b)
	}
	return out
}

// key256 derives the file key of revisions 5 and 6: Algorithm 2.A of ISO 32000-2 7.6.4.3.3.
func (s *standard) key256() ([]byte, error) {
	hash := func(salt string) []byte {
		if s.revision == 5 {
			sum := sha256.Sum256([]byte(salt))
			return sum[:]
		}
		return hash2B([]byte(salt))
	}
	if !bytes.Equal(hash(s.user[32:40]), []byte(s.user[:32])) {
		return nil, needsPassword()
	}
	block, err := aes.NewCipher(hash(s.user[40:48]))
	if err != nil {
		return nil, &signing.Error{Err: err}
	}
	key := []byte(s.userKey[:32])
	cipher.NewCBCDecrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(key, key)
	return key, nil
}

// hash2B is Algorithm 2.B of ISO 32000-2 7.6.4.3.4 for an empty user password. input is the salt.
func hash2B(input []byte) []byte {
	sum := sha256.Sum256(input)
	k := sum[:]
	for round := 0; ; round++ {
		k1 := bytes.Repeat(k, 64) // the password, which is empty, and K, 64 times
		block, err := aes.NewCipher(k[:16])
		if err != nil {
			return nil
		}
		cipher.NewCBCEncrypter(block, k[16:32]).CryptBlocks(k1, k1)
		mod := 0
		for _, c := range k1[:16] {
			mod += int(c)
		}
		switch mod % 3 {
		case 0:
			h := sha256.Sum256(k1)
			k = h[:]
		case 1:
			h := sha512.Sum384(k1)
			k = h[:]
		case 2:
			h := sha512.Sum512(k1)
			k = h[:]
		}
		if round >= 63 && int(k1[len(k1)-1]) <= round-31 {
			return k[:32]
		}
	}
}
