package newsletter_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/newsletter"
)

// shelfWords are what the bench's articles talk about, three each: the first in a third of them, the last in one of a hundred.
var shelfWords = strings.Fields("반도체 인재 클라우드 AI 데이터 스타트업 보안 로봇 배터리 OpenAI 위성 자율주행 양자컴퓨터 GPT-4 화수분 등대지기")

// BenchmarkSearch asks 5,000 articles of about 3,000 characters for what readers ask for, and reports the 95th of a
// hundred answers.
func BenchmarkSearch(b *testing.B) {
	for name, open := range map[string]func(testing.TB, ...dbtest.Option) *db.DB{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		b.Run(name, func(b *testing.B) {
			store := db.Store{DB: open(b)}
			keys, err := newsletter.NewKeyring([]string{"a secret of the bench only"}, nil)
			if err != nil {
				b.Fatal(err)
			}
			svc, err := newsletter.NewService(b.Context(), newsletter.Options{
				Store: store, Keys: func() newsletter.Keyring { return keys }, Now: func() time.Time { return dbtest.Start },
			})
			if err != nil {
				b.Fatal(err)
			}
			fillShelf(b, store)
			queries := []string{
				"반도체", "인재", "AI", "클라우드 보안", "양자컴퓨터", "OpenAI 로봇", "gpt-4", "화수분", "등대지기", "데이터 반도체", "없는낱말", "이야기", "자율주행 위성",
			}
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				begin := time.Now()
				if _, err := svc.Search(b.Context(), newsletter.SearchFilter{Query: queries[i%len(queries)], Limit: 10}); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}

func fillShelf(b *testing.B, store db.Store) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	syllables := []rune("가나다라마바사아자차고노도로모보소오조초구누두루무부수우주추기니디리미비시이지치한국어서를은")
	word := func() string {
		w := make([]rune, 2+r.IntN(3))
		for i := range w {
			w[i] = syllables[r.IntN(len(syllables))]
		}
		return string(w)
	}
	for from := 0; from < 5000; from += 100 {
		err := store.Update(b.Context(), func(tx newsletter.Tx) error {
			for n := from; n < from+100; n++ {
				var text strings.Builder
				topics := [3]string{}
				for i := range topics {
					topics[i] = shelfWords[min(int(r.ExpFloat64()*5), len(shelfWords)-1)]
				}
				for range 750 {
					text.WriteString(word() + " ")
					if r.IntN(60) == 0 {
						text.WriteString(topics[r.IntN(3)] + "를 ")
					}
				}
				text.WriteString("오늘의 이야기")
				d := newsletter.SearchDoc{
					Kind: newsletter.FoundArticle, Slug: fmt.Sprint(n), At: dbtest.Start.Add(time.Duration(n) * time.Hour),
					Title: word() + " " + topics[0] + " " + word(), Text: text.String(),
				}
				if err := tx.PutSearch(b.Context(), newsletter.FoundArticle, int64(n+1), []newsletter.SearchDoc{d}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
