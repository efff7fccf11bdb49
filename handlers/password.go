package handlers

import (
	"errors"
	"fmt"

	"github.com/alexedwards/argon2id"
)

// argonParams are OWASP's first choice for argon2id (S01), given in full: the library's own default follows the number of
// processors, and hashes would differ by machine.
var argonParams = argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Passwords hashes with argon2id, one password at a time, so that fifty people who sign in at once need 19 MiB and
// not fifty times as much. It may be shared by goroutines.
type Passwords struct{ turn chan struct{} }

// NewPasswords makes the hasher that newsletter.Options asks for.
func NewPasswords() *Passwords { return &Passwords{turn: make(chan struct{}, 1)} }

// Hash returns the PHC string to store.
func (p *Passwords) Hash(password string) (string, error) {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	params := argonParams
	hash, err := argon2id.CreateHash(password, &params)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// Check compares in constant time. A hash that cannot be read fits no password. rehash tells that it was made with other
// parameters than today's.
func (p *Passwords) Check(password, hash string) (ok, rehash bool) {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	ok, used, err := check(password, hash)
	if err != nil || !ok {
		return false, false
	}
	return true, *used != argonParams
}

// check refuses parameters that no version of ours wrote before it works with them: a row somebody tampered with could ask
// for all the memory there is.
func check(password, hash string) (bool, *argon2id.Params, error) {
	used, _, _, err := argon2id.DecodeHash(hash)
	if err != nil {
		return false, nil, err
	}
	if used.Memory > 256*1024 || used.Iterations > 16 || used.Parallelism > 16 || used.Parallelism == 0 || used.Iterations == 0 {
		return false, nil, errors.New("a hash with parameters beyond reason")
	}
	return argon2id.CheckHash(password, hash)
}
