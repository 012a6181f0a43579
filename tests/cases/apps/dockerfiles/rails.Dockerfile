FROM ruby:3.3.6-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential git libpq-dev libyaml-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*
ENV BUNDLE_PATH=/bundle BUNDLE_WITHOUT=development:test RAILS_ENV=production BUNDLE_DEPLOYMENT=1
WORKDIR /app
COPY Gemfile Gemfile.lock ./
RUN bundle install \
 && rm -rf /bundle/ruby/*/cache
COPY . .
RUN SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=build ./bin/rails assets:precompile

FROM ruby:3.3.6-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libjemalloc2 libpq5 \
 && rm -rf /var/lib/apt/lists/*
ENV BUNDLE_PATH=/bundle BUNDLE_WITHOUT=development:test BUNDLE_DEPLOYMENT=1
WORKDIR /app
COPY --from=build /bundle /bundle
COPY --from=build /app /app
RUN mkdir -p log tmp storage \
 && chown -R 10001:10001 log tmp storage
ENV PORT=3000
ENV RAILS_ENV=production
ENV RAILS_LOG_TO_STDOUT=1
ENV RAILS_SERVE_STATIC_FILES=1
USER 10001:10001
EXPOSE 3000
CMD ["./bin/rails", "server", "--binding", "0.0.0.0", "--port", "3000"]
