package newsletter

import (
	"context"
	"time"
)

// PreviewToken lets whoever has it read an article that is not published, until then.
func (s *Service) PreviewToken(id ArticleID, until time.Time) string {
	return s.opt.Keys().Sign(PurposePreview, int64(id), until)
}

// PreviewedArticle returns the article that a token stands for. Errors: NotFound, Gone when the token is over.
func (s *Service) PreviewedArticle(ctx context.Context, token string) (Article, error) {
	id, err := s.opt.Keys().Verify(PurposePreview, token, s.opt.Now())
	if err != nil {
		return Article{}, err
	}
	return get(ctx, s, func(tx Tx) (Article, error) { return tx.ArticleByID(ctx, ArticleID(id)) })
}
