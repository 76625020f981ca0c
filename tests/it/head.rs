//! The cross-encoder's head: its gradients, its first values, its dropout.

use candle_core::{Device, Tensor};

use homer::internals::{AdamW, Config, Family, Head, Values, tiny_config};

const FAMILIES: [Family; 2] = [Family::Bert, Family::DistilBert];

fn head(config: &Config, seed: u64) -> Head {
    Head::new(config, &Head::fresh(config, None, seed), &Device::Cpu).unwrap()
}

fn norm_squared(head: &Head) -> f64 {
    head.grad_norm_squared().unwrap().to_scalar().unwrap()
}

fn states(config: &Config, values: &[f32]) -> Tensor {
    let shape = (values.len() / config.hidden, config.hidden);
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
}

fn some(config: &Config) -> Vec<f32> {
    let value = |i| (i as f32 * 0.37).sin();
    (0..3 * config.hidden).map(value).collect()
}

#[test]
fn gradients_equal_finite_differences_and_every_parameter_moves() {
    // Uneven, so that the gradient of the scores' sum is no constant.
    const WEIGHTS: [f32; 3] = [1.0, -2.0, 0.5];
    for family in FAMILIES {
        let config = tiny_config(family, 10).unwrap();
        let mut head = head(&config, 1);
        let values = some(&config);
        head.forward(&states(&config, &values), None).unwrap();
        let weights = Tensor::new(&WEIGHTS, &Device::Cpu).unwrap();
        let gradient = head.backward(&weights).unwrap();
        let gradient: Vec<f32> = gradient.flatten_all().unwrap().to_vec1().unwrap();
        let sum = |i: usize, by: f32| {
            let mut moved = values.clone();
            moved[i] += by;
            let scores: Vec<f32> = head
                .score(&states(&config, &moved))
                .unwrap()
                .to_vec1()
                .unwrap();
            let terms = scores.iter().zip(WEIGHTS);
            terms.map(|(s, w)| f64::from(s * w)).sum::<f64>()
        };
        for i in [0, 17, 40, 95] {
            let slope = (sum(i, 1e-3) - sum(i, -1e-3)) / 2e-3;
            let error = (slope - f64::from(gradient[i])).abs();
            assert!(error < 5e-5, "{slope} against {}", gradient[i]);
        }

        let gradients = head.gradients().unwrap();
        assert!(gradients.iter().all(|g| g.iter().any(|v| *v != 0.0)));
        let squares: f64 = gradients.iter().flatten().map(|v| f64::from(v * v)).sum();
        assert!((norm_squared(&head) / squares - 1.0).abs() < 1e-5);
        let before = head.values().unwrap();
        let one = Tensor::new(1f64, &Device::Cpu).unwrap();
        head.step(&AdamW::default(), 1e-2, &one).unwrap();
        for (old, new) in before.iter().zip(head.values().unwrap()) {
            assert_ne!(old.to_f32(), new.to_f32());
        }
        assert_eq!(norm_squared(&head), 0.0);
    }
}

#[test]
fn a_new_head_follows_its_seed_and_keeps_a_pooler() {
    let config = tiny_config(Family::Bert, 10).unwrap();
    let of = |pooler: Option<&[Values]>, seed| -> Vec<Vec<f32>> {
        let values = Head::fresh(&config, pooler, seed);
        values.iter().map(|v| v.to_f32().into_owned()).collect()
    };
    assert_eq!(of(None, 3), of(None, 3));
    assert_ne!(of(None, 3), of(None, 4));
    let h = config.hidden;
    let pooler = [vec![0.5; h * h], vec![0.25; h]].map(Values::Owned);
    let carried = of(Some(&pooler), 3);
    assert_eq!(carried[0], vec![0.5; h * h]);
    assert_eq!(carried[1], vec![0.25; h]);
    assert_eq!(carried[2], of(None, 3)[2]);
}

#[test]
fn dropout_is_the_same_for_the_same_seed_only() {
    for family in FAMILIES {
        let config = tiny_config(family, 10).unwrap();
        let mut head = head(&config, 1);
        let states = states(&config, &some(&config));
        let mut of = |seed| -> Vec<f32> {
            let scores = head.forward(&states, seed).unwrap();
            scores.to_vec1().unwrap()
        };
        assert_eq!(of(Some(1)), of(Some(1)));
        assert_ne!(of(Some(1)), of(Some(2)));
        assert_ne!(of(Some(1)), of(None));
    }
}
