// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {ICollateralVault} from "interfaces/ICollateralVault.sol";

/// @title How much of a position is sold, and for what
library Liquidation {
    using FixedPointMathLib for uint256;

    uint256 internal constant BPS = 1e4;

    /// @param debt What the position owes, all dividends applied.
    /// @param value What its shares are worth.
    /// @param shares Its shares.
    /// @param targetLtvBps Where a partial sale brings it back to.
    /// @param bonusBps What the buyer gets on top.
    /// @param minDebt Less debt than this is never left.
    struct Case {
        uint256 debt;
        uint256 value;
        uint256 shares;
        uint256 targetLtvBps;
        uint256 bonusBps;
        uint256 minDebt;
    }

    /// @notice What the liquidator pays and gets. Needs debt > value × liquidation LTV and
    /// liquidation LTV × (1 + bonus) < 1, as the vault checked.
    /// @return repaid At most `maxRepay` and the debt.
    /// @return seized Worth at most repaid × (1 + bonus), at `value`.
    /// @return closed Whether all shares go and what is left of the debt is lost.
    function sale(
        Case memory c,
        uint256 maxRepay
    ) internal pure returns (uint256 repaid, uint256 seized, bool closed) {
        uint256 pricedBps = BPS + c.bonusBps;
        // debt / value ≥ 1 / (1 + bonus): selling a part raises debt / value.
        if (c.debt * pricedBps >= c.value * BPS) {
            repaid = c.value.mulDivUp(BPS, pricedBps);
            require(maxRepay >= repaid, ICollateralVault.OnlyFullClose(maxRepay, repaid));
            return (repaid, c.shares, true);
        }
        repaid = FixedPointMathLib.min(maxRepay, _toTargetUp(c, pricedBps));
        require(repaid != 0, ICollateralVault.ZeroAmount());
        uint256 left = c.debt - repaid;
        require(left == 0 || left >= c.minDebt, ICollateralVault.DebtTooSmall(left, c.minDebt));
        seized = c.shares.mulDiv(repaid * pricedBps, c.value * BPS);
    }

    /// @dev debt − r = target × (value − r × (1 + bonus)), solved for r; all of the debt if less
    /// than the minimum would be left.
    function _toTargetUp(Case memory c, uint256 pricedBps) private pure returns (uint256 repay) {
        uint256 excess = c.debt * BPS - c.value * c.targetLtvBps;
        repay = excess.mulDivUp(BPS, BPS * BPS - c.targetLtvBps * pricedBps);
        if (repay + c.minDebt > c.debt) repay = c.debt;
    }
}
