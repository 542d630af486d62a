use super::*;

#[test]
fn sizes_follow_width_and_rows() {
    let reduce = FitConfig::new();
    let sizes = |inputs| {
        let network = network(&reduce, inputs, 1000, MissingRates::new(3, 1000));
        (network.hidden, network.latent_dim)
    };
    assert_eq!(sizes(1), (vec![64, 32], 1));
    assert_eq!(sizes(30), (vec![64, 32], 5));
    assert_eq!(sizes(64), (vec![128, 64], 8));
    assert_eq!(sizes(784), (vec![256, 128], 16));
    let steps = |rows| {
        let training = training(&reduce, 10, rows, 0, false);
        (training.batch_size, training.epochs)
    };
    assert_eq!((steps(100), steps(310), steps(500)), ((32, 200), (64, 310), (64, 250)));
    assert_eq!(steps(1617), (128, 154));
    assert_eq!(steps(300_000), (256, 3));
}

#[test]
fn many_features_in_few_latents_get_a_third_layer() {
    let hidden = |inputs, latent_dim| {
        network(&FitConfig::new().latent_dim(latent_dim), inputs, 9, MissingRates::new(0, 0)).hidden
    };
    assert_eq!((hidden(64, 2), hidden(64, 4)), (vec![128, 64, 32], vec![128, 64]));
    assert_eq!((hidden(784, 3), hidden(13, 2)), (vec![256, 128, 64], vec![64, 32]));
}

#[test]
fn few_latents_of_many_features_and_neighbours_get_noise() {
    let noise = |preset, neighbors, inputs, latents| {
        let config = FitConfig::new().preset(preset).neighbors(neighbors).latent_dim(latents);
        training(&config, inputs, 1000, 0, false).input_noise
    };
    let of = |neighbors| [(64, 2), (64, 4), (13, 2)].map(|(n, k)| noise(Preset::Reduce, neighbors, n, k));
    assert_eq!((of(0), of(15), noise(Preset::Anomaly, 0, 64, 2)), ([0.7, 0.0, 0.0], [0.7, 0.3, 0.2], 0.0));
    assert_eq!((noise(Preset::Map, 15, 64, 16), noise(Preset::Map, 15, 13, 16)), (0.3, 0.0));
}

#[test]
fn maps_of_narrow_tables_learn_at_a_higher_rate_and_keep_neighbours_less() {
    let map = FitConfig::new().preset(Preset::Map);
    let of = |inputs| {
        let training = training(&map, inputs, 5000, 0, false);
        (
            training.steps,
            training.lr,
            training.neighbor_weight,
            network(&map, inputs, 9, MissingRates::new(0, 0)).hidden,
        )
    };
    assert_eq!(of(31), (2000, 0.008, 0.1, vec![256, 256, 128, 64]));
    assert_eq!(of(32), (2000, 0.004, 1.0, vec![256, 256, 128, 64]));
    let of_many = map.clone().latent_dim(16);
    let network = |inputs| network(&of_many, inputs, 9, MissingRates::new(0, 0)).hidden;
    let weight = |inputs| training(&of_many, inputs, 5000, 0, false).neighbor_weight;
    assert_eq!((network(784), network(13)), (vec![256, 128], vec![64, 32]), "many latents need no deeper network");
    assert_eq!((weight(784), weight(13)), (0.0125, 0.0125));
    assert_eq!((map.with_preset().lr, map.clone().lr(0.1).with_preset().lr), (None, Some(0.1)));
}

#[test]
fn many_missing_values_get_more_latents_and_a_wider_layer() {
    let of = |preset, missing| {
        let network = network(&FitConfig::new().preset(preset), 30, 99, MissingRates::new(missing, 1000));
        (network.hidden, network.latent_dim, network.noise_floor)
    };
    assert_eq!(of(Preset::Reduce, 49), (vec![64, 32], 5, -0.5));
    assert_eq!(of(Preset::Reduce, 50), (vec![128], 10, -4.0));
    assert_eq!(of(Preset::Anomaly, 50), of(Preset::Anomaly, 0));
}

#[test]
fn few_rows_of_many_features_get_a_linear_network_where_anomalies_are_looked_for() {
    let of = |preset, inputs, rows| {
        let network = network(&FitConfig::new().preset(preset), inputs, rows, MissingRates::new(0, 1));
        (network.hidden, network.latent_dim)
    };
    assert_eq!(of(Preset::Anomaly, 768, 300), (vec![], 32));
    for (inputs, rows) in [(768, 5000), (100, 80), (10, 7000)] {
        assert_eq!(of(Preset::Anomaly, inputs, rows), (vec![64, 32], 2));
    }
    assert_eq!(of(Preset::Reduce, 768, 300), (vec![256, 128], 16));
}

#[test]
fn what_is_given_is_taken() {
    let config = FitConfig::new().preset(Preset::Anomaly).hidden([7]).latent_dim(3).epochs(5).lr(0.5).trim(0.25);
    let (network, training) = (network(&config, 100, 50, MissingRates::new(9, 9)), training(&config, 100, 50, 9, true));
    assert_eq!((network.hidden, network.latent_dim), (vec![7], 3));
    assert_eq!((training.epochs, training.lr, training.trim, training.shuffle_rows), (5, 0.5, 0.25, 9));
    assert_eq!((training.scale, training.patience, training.mask_rate), (Scale::Asinh, 0, MASK_RATE));
}
