package newsletter_test

import (
	"testing"

	"techissue/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }
