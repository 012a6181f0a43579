FROM node:24-slim AS assets
WORKDIR /app
COPY . .
RUN npm install
RUN npm run build \
 && rm -rf node_modules

FROM dunglas/frankenphp:1-php8.4 AS build
RUN install-php-extensions gd intl opcache pcntl pdo_mysql pdo_pgsql zip
COPY --from=composer:2 /usr/bin/composer /usr/bin/composer
ENV COMPOSER_ALLOW_SUPERUSER=1
WORKDIR /app
COPY composer.json composer.lock ./
RUN composer install --no-dev --no-interaction --no-progress --no-scripts --no-autoloader
COPY . .
COPY --from=assets /app/public ./public
RUN composer dump-autoload --no-dev --optimize

FROM dunglas/frankenphp:1-php8.4
RUN install-php-extensions gd intl opcache pcntl pdo_mysql pdo_pgsql zip \
 && mkdir -p /data /config \
 && chown -R 10001:10001 /data /config
WORKDIR /app
COPY --from=build /app /app
RUN mkdir -p storage bootstrap/cache \
 && chown -R 10001:10001 storage bootstrap/cache
ENV APP_DEBUG=false
ENV APP_ENV=production
ENV LOG_CHANNEL=stderr
ENV PORT=8080
USER 10001:10001
EXPOSE 8080
CMD ["sh", "-c", "php artisan optimize && exec frankenphp php-server --listen :8080 --root public"]
