package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"techissue/newsletter"
)

// The samples have the shape of a page of the archive, in words of our own.

// sampleNumber is the issue that is ready to go.
const sampleNumber = 12

// sampleReader is the reader whose letters the person in front of the screen opens.
const sampleReader = "reader@example.com"

const sampleNote = "\n\n*위 글은 ‘테크잇슈’ 뉴스레터에 실린 글입니다.*\n"

var sampleArticles = []newsletter.Article{
	{
		Title: "작은 칩이 바꾸는 집, 어디까지 왔을까?", Tags: []string{"반도체", "가전"}, Summary: "전기밥솥 속 칩 하나가 하는 일을 따라가 봅니다.",
		Body: "올가을 가전 매장에 가 보면 ‘스스로 배우는’이라는 말이 붙지 않은 물건을 찾기가 어렵습니다. 정말 배우는 걸까요?\n\n## 집 안으로 들어온 계산\n\n예전에는 멀리 있는 서버가 하던 일을 이제는 **‘손톱만 한 칩’**이 합니다. 전기를 적게 쓰고, 인터넷이 끊겨도 움직입니다.\n\nhttps://news.example.com/chips/1https://lab.example.org/edge?id=20\n\n## 남은 숙제\n\n값은 내려갔지만 오래 쓰는 일은 아직 어렵습니다. 10년 쓸 물건에 3년짜리 소프트웨어가 들어 있으니까요.\n\nhttps://daily.example.net/home" + sampleNote,
	},
	{
		Title: "메일함을 비우는 가장 느린 방법", Tags: []string{"일하는 법"}, Summary: "하루 세 통만 답해 보았습니다.",
		Body: "한 달 동안 하루에 세 통만 답했습니다. 이상하게도 더 많은 일이 끝났습니다.\n\n## 왜 세 통이었나\n\n1. 고르게 됩니다.\n2. 짧게 씁니다.\n3. 나머지는 대부분 스스로 풀립니다.\n\n> 답장은 대화를 끝내기도 하고 시작하기도 한다.\n\nhttps://note.example.com/mail" + sampleNote,
	},
	{
		Title: "지도 앱은 왜 골목을 더 잘 알까", Tags: []string{"지도"}, Summary: "골목의 이름을 지은 사람들 이야기.",
		Body: "길 찾기 앱이 알려 준 지름길로 가다가 처음 보는 빵집을 만났습니다.\n\n## 걷는 사람이 만든 자료\n\n골목의 자료는 위성이 아니라 **걷는 사람(과 자전거)**이 만듭니다.\n\nhttps://map.example.org/alley" + sampleNote,
	},
}

// sampleLinks lie on the pile for the issue after the sample one.
var sampleLinks = []newsletter.RoundupLink{
	{URL: "https://news.example.com/train", Title: "기차표를 말로 끊습니다", Source: "보기일보", Summary: "역 창구에 말을 알아듣는 단말기가 놓입니다."},
	{URL: "https://daily.example.net/battery", Title: "반나절 만에 갈아 끼우는 배터리", Source: "하루보기", Summary: "오래된 전화기를 고쳐 쓰는 가게가 늘었습니다."},
	{URL: "https://lab.example.org/paper", Title: "종이처럼 접히는 화면", Source: "보기연구소", Summary: "십만 번 접어도 금이 가지 않는다고 합니다."},
	{URL: "https://note.example.com/map", Title: "계단을 피해 가는 지도", Source: "보기노트", Summary: "유아차와 휠체어가 다닐 길을 시민이 채웁니다."},
	{URL: "https://news.example.com/a", Title: "새 요금제가 나왔습니다", Source: "보기일보", Summary: "지난 호에 실었던 소식입니다."},
}

// sampleCards are what the pages behind the first article's links would say of themselves: the demo asks nothing of the network.
var sampleCards = []newsletter.Card{
	{URL: "https://news.example.com/chips/1", Title: "밥솥 안의 작은 계산기", Summary: "가전 회사 세 곳이 같은 칩을 고른 까닭을 물었습니다.", Site: "보기일보"},
	{URL: "https://lab.example.org/edge?id=20", Title: "집 안에서 끝나는 계산, 어디까지 되나", Summary: "멀리 보내지 않고 알아듣는 기계 스무 대를 견주었습니다.", Site: "보기연구소"},
}

// samples writes the demo's articles, readers and the issue that is ready to go. It returns the issue's number.
func (a *app) samples(ctx context.Context, readers int) (int, error) {
	var slugs []string
	var first newsletter.ArticleID
	for n, art := range sampleArticles {
		art.Status, art.PublishedAt = newsletter.ArticlePublished, now().AddDate(0, 0, -7*(len(sampleArticles)-n))
		made, err := a.svc.CreateArticle(ctx, "system", art)
		if err != nil {
			return 0, fmt.Errorf("sample article: %w", err)
		}
		slugs = append(slugs, made.Slug)
		if n == 0 {
			first = made.ID
		}
	}
	if err := a.svc.EditCards(ctx, "system", slugs[0], sampleCards); err != nil {
		return 0, fmt.Errorf("sample link cards: %w", err)
	}
	if err := a.sampleComments(ctx, first); err != nil {
		return 0, fmt.Errorf("sample comments: %w", err)
	}
	for _, l := range sampleLinks {
		if _, err := a.svc.AddLink(ctx, "system", l); err != nil {
			return 0, fmt.Errorf("sample link: %w", err)
		}
	}
	var csv strings.Builder
	csv.WriteString("email,name\n" + sampleReader + ",이독자\n")
	for n := range readers {
		fmt.Fprintf(&csv, "reader%d@example.%s,독자 %d\n", n+1, []string{"net", "com", "org"}[n%3], n+1)
	}
	_, err := a.svc.ImportSubscribers(ctx, "system", strings.NewReader(csv.String()), newsletter.ImportOptions{
		File: "samples.csv", As: newsletter.ImportActive, ConsentSource: "made-up readers of the demo",
	})
	if err != nil {
		return 0, fmt.Errorf("sample readers: %w", err)
	}
	i, err := a.svc.CreateIssue(ctx, "system", newsletter.Issue{Number: sampleNumber, Tracking: true, Content: newsletter.Content{
		Subject: "작은 칩이 바꾸는 집, 그리고 이번 주 소식", Preheader: "집 안으로 들어온 계산과 링크 세 개", Kind: newsletter.KindInfo,
		Intro: "{이름|독자}님, 안녕하세요. 비가 잦은 한 주였습니다.\n\n이번 호는 집 안의 작은 칩 이야기입니다.",
		Links: []newsletter.RoundupLink{
			{URL: "https://news.example.com/a", Title: "새 요금제가 나왔습니다", Source: "보기일보", Summary: "데이터를 나눠 쓰는 방식이 바뀝니다."},
			{URL: "https://lab.example.org/b", Title: "글자를 알아보는 안경", Source: "보기연구소", Summary: "길 이름을 소리 내어 읽어 줍니다."},
			{URL: "https://daily.example.net/c", Title: "오래된 앱의 마지막 날", Source: "하루보기", Summary: "12년 동안 쓰던 사진 앱이 문을 닫습니다."},
		},
		Articles: slugs[:1], Outro: "다음 호에는 골목과 지도 이야기를 들고 올게요.",
	}})
	if err != nil {
		return 0, fmt.Errorf("sample issue: %w", err)
	}
	_, err = a.svc.CreateAdmin(ctx, "system", "editor@techissue.example", newsletter.Owner, newsletter.Random(16))
	return i.Number, err
}

// sampleComments are a conversation under the first article, and one comment that waits for the editor.
func (a *app) sampleComments(ctx context.Context, on newsletter.ArticleID) error {
	at := now().AddDate(0, 0, -3)
	under := newsletter.CommentOn{Kind: newsletter.OnArticle, ID: int64(on)}
	return a.store.Update(ctx, func(tx newsletter.Tx) error {
		var parent newsletter.CommentID
		for n, c := range []newsletter.Comment{
			{Name: "밥솥 주인", Body: "우리 집 밥솥이 왜 자꾸 말을 거는지 이제 알겠어요.", Status: newsletter.CommentPublished},
			{Name: "이재훈", Body: "다음에는 세탁기 편도 준비해 볼게요.", Status: newsletter.CommentPublished, ByAuthor: true},
			{Name: "골목 산책", Body: "10년 쓸 물건에 3년짜리 소프트웨어라는 말이 오래 남네요.\n\n고쳐 쓸 수 있게 해 주면 좋겠어요.", Status: newsletter.CommentPublished},
			{Name: "지나가던 이", Body: "이런 글도 있어요. https://note.example.com/long", Status: newsletter.CommentPending, Held: "링크가 들어 있어요"},
		} {
			c.On, c.CreatedAt = under, at.Add(time.Duration(n)*7*time.Hour)
			if c.Status == newsletter.CommentPublished {
				c.PublishedAt = c.CreatedAt
			}
			if c.ByAuthor {
				c.Parent = parent
			} else {
				w := newsletter.CommentWriter{
					Key: newsletter.AddressKey(fmt.Sprintf("sample%d", n)), Email: fmt.Sprintf("writer%d@example.com", n), ConfirmedAt: c.CreatedAt, CreatedAt: c.CreatedAt,
				}
				if err := tx.PutCommentWriter(ctx, &w); err != nil {
					return err
				}
				c.Writer = w.ID
			}
			if err := tx.PutComment(ctx, &c); err != nil {
				return err
			}
			if parent == 0 {
				parent = c.ID
			}
		}
		return nil
	})
}
