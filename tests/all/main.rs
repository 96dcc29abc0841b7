mod open_bandit;
