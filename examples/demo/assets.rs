//! The page and its assets. An asset's name carries a fingerprint of its content, as asset pipelines do it: the name
//! changes when the content does, and so browsers may keep what they have for ever.

use super::cksum;
use axum::{
    Router,
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    routing::get,
};
use tower_http::set_header::SetResponseHeaderLayer;

const PAGE: &str = include_str!("page.html");

const ASSETS: [Asset; 3] = [
    Asset {
        name: "application",
        extension: "css",
        media_type: "text/css; charset=utf-8",
        content: include_str!("application.css"),
    },
    Asset {
        name: "application",
        extension: "js",
        media_type: "text/javascript; charset=utf-8",
        content: include_str!("application.js"),
    },
    Asset {
        name: "thrust",
        extension: "svg",
        media_type: "image/svg+xml",
        content: include_str!("thrust.svg"),
    },
];

/// The page, linking the assets by their fingerprinted paths.
pub fn page() -> String {
    ASSETS.iter().fold(PAGE.to_owned(), |page, asset| page.replace(&asset.placeholder(), &asset.path()))
}

/// Serves the assets, to be kept for a year. Names that are no asset's are answered elsewhere: a 404 that is kept for a year
/// would be there still when there is such an asset.
pub fn router() -> Router {
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    ASSETS
        .iter()
        .fold(Router::new(), |router, asset| {
            router.route(&asset.path(), get(([(CONTENT_TYPE, asset.media_type)], asset.content)))
        })
        .route_layer(SetResponseHeaderLayer::if_not_present(CACHE_CONTROL, forever))
}

struct Asset {
    name: &'static str,
    extension: &'static str,
    media_type: &'static str,
    content: &'static str,
}

impl Asset {
    /// How the page names it.
    fn placeholder(&self) -> String {
        format!("{{{{ {}.{} }}}}", self.name, self.extension)
    }

    fn path(&self) -> String {
        let fingerprint = cksum::of(self.content.as_bytes());
        format!("/assets/{}-{fingerprint:08x}.{}", self.name, self.extension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_links_every_asset() {
        let page = page();
        assert!(ASSETS.iter().all(|asset| page.contains(&asset.path())));
        assert!(!page.contains("{{"), "a placeholder is left");
    }
}
