package handlers_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/alexedwards/argon2id"

	"techissue/handlers"
	"techissue/newsletter"
)

var _ newsletter.Passwords = (*handlers.Passwords)(nil)

func TestPasswords(t *testing.T) {
	t.Parallel()
	p := handlers.NewPasswords()
	hash, err := p.Hash("바다가 보이는 창가에서")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q is not of the parameters in S01", hash)
	}
	weak, err := argon2id.CreateHash("바다가 보이는 창가에서", &argon2id.Params{Memory: 8 * 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, password, hash string
		ok, rehash           bool
	}{
		{"the right password", "바다가 보이는 창가에서", hash, true, false},
		{"another password", "바다가 보이는 창가에서.", hash, false, false},
		{"a weaker hash asks to be made again", "바다가 보이는 창가에서", weak, true, true},
		{"no hash", "x", "", false, false},
		{"no PHC string", "x", "plain", false, false},
		{"a hash that asks for 4 GB", "x", "$argon2id$v=19$m=4194304,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY", false, false},
	} {
		if ok, rehash := p.Check(c.password, c.hash); ok != c.ok || rehash != c.rehash {
			t.Errorf("%s: ok %v, rehash %v", c.name, ok, rehash)
		}
	}
}

func TestPasswordsByManyAtOnce(t *testing.T) {
	t.Parallel()
	p := handlers.NewPasswords()
	hash, err := p.Hash("a long enough password")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if ok, _ := p.Check("a long enough password", hash); !ok {
				t.Error("refused")
			}
		})
	}
	all.Wait()
}
