FROM node:24-slim AS build
WORKDIR /app
COPY package.json ./
RUN npm install
COPY . .
RUN npm run build

FROM nginx:1.30-alpine
RUN printf '%s\n' \
  'pid /tmp/nginx.pid; error_log /dev/stderr;' \
  'events {}' \
  'http {' \
  '  include /etc/nginx/mime.types;' \
  '  default_type application/octet-stream;' \
  '  access_log /dev/stdout;' \
  '  client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi;' \
  '  uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;' \
  '  gzip on; gzip_types text/css application/javascript application/json image/svg+xml;' \
  '  server_tokens off; absolute_redirect off;' \
  '  server {' \
  '    listen 8080;' \
  '    root /srv/www;' \
  '    location ~ /\.(?!well-known/) { return 404; }' \
  '    location / { try_files $uri $uri/index.html $uri.html =404; add_header Cache-Control no-cache; }' \
  '    location ~ "-[0-9A-Za-z_-]{8,}\.[a-z0-9]+$" { try_files $uri =404; add_header Cache-Control "public, max-age=31536000, immutable"; }' \
  '  }' \
  '}' > /etc/nginx/nginx.conf
COPY --from=build /app/dist /srv/www
ENV PORT=8080
USER 10001:10001
EXPOSE 8080
CMD ["nginx", "-g", "daemon off;"]
